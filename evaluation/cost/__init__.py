"""What a plan will cost, and what jobs took."""
