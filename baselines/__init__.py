"""The models that DCGMM is compared with, behind the same interface."""
