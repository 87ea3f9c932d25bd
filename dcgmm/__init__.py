"""Deep Convolutional Gaussian Mixture Models (Gepperth: A new perspective on probabilistic image modeling).

`from dcgmm import DCGMM` is the model. Importing this package does not import JAX; using the model does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dcgmm.history import History

if TYPE_CHECKING:
    from dcgmm.model import DCGMM, fit_many, score_many

__all__ = ["DCGMM", "History", "fit_many", "score_many"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from dcgmm import model

        return getattr(model, name)
    raise AttributeError(f"module 'dcgmm' has no attribute {name!r}")
