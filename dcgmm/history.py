"""The record of a training run, as every model of the suite returns it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd


class HistoryRow(NamedTuple):
    """One measurement: after `step` training steps, in nats per image; of a cGMM layer: the mean over its positions."""

    step: int
    layer: int
    split: str
    log_likelihood: float


class History(list[HistoryRow]):
    """Tidy rows (step, layer, split, log_likelihood), oldest first.

    `layer` counts a model's own density layers from 0 (0 for models with one density), `split` is
    "train", "validation" or "test", `log_likelihood` is the mean over the measured images in nats.
    """

    def add(self, step: int, layer: int, split: str, log_likelihood: float) -> None:
        self.append(HistoryRow(int(step), int(layer), split, float(log_likelihood)))

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame with the four columns."""
        import pandas as pd

        return pd.DataFrame(list(self), columns=list(HistoryRow._fields))

    def to_parquet(self, path: str | Path) -> None:
        self.to_frame().to_parquet(path, index=False)
