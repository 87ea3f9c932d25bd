"""DGC-SPN (Van de Wolfshaar and Pronobis 2019, arXiv 1902.06155): a tractable density of images, written here.

    from baselines.dgcspn import DgcSpn
    model = DgcSpn((28, 28, 1), epochs=5)
    model.fit(x)

On a CPU kernels that numba compiles (upward.py, downward.py), on a GPU PyTorch's operators (operators.py).
`baselines.dgcspn.libspn:DgcSpnLibspn` is the same model on the layers of libspn-keras.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baselines.dgcspn.model import DgcSpn

__all__ = ["DgcSpn"]


def __getattr__(name: str) -> Any:
    if name != "DgcSpn":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.model").DgcSpn
