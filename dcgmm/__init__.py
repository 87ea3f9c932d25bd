"""Deep Convolutional Gaussian Mixture Models (Gepperth: A new perspective on probabilistic image modeling).

`from dcgmm import DCGMM` is the model. Importing this package does not import TensorFlow; using the model does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dcgmm.history import History

if TYPE_CHECKING:
    from dcgmm.model import DCGMM

__all__ = ["DCGMM", "History"]


def __getattr__(name: str) -> Any:
    if name == "DCGMM":
        from dcgmm.runtime import import_tensorflow

        import_tensorflow()
        from dcgmm.model import DCGMM

        return DCGMM
    raise AttributeError(f"module 'dcgmm' has no attribute {name!r}")
