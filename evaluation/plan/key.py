"""What names a training: one key, one path."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evaluation.base.errors import UserError

_WORD = re.compile(r"(?P<variant>[^/\s]+)/(?P<dataset>[^/\s]+)/(?P<subset>[^/\s]+)/seed(?P<seed>\d+)")


@dataclass(frozen=True, order=True)
class TrainingKey:
    """One model on one subset of one data set with one seed; `variant` as in `Variant.name`."""

    dataset: str
    subset: str
    variant: str
    seed: int

    @property
    def path(self) -> str:
        """Its place below models/, scores/, samples/ …: fashion_mnist/not0/dcgmm-e/seed0."""
        return f"{self.dataset}/{self.subset}/{self.variant}/seed{self.seed}"

    @property
    def word(self) -> str:
        """How it is called on a command line: dcgmm-e/fashion_mnist/not0/seed0."""
        return f"{self.variant}/{self.dataset}/{self.subset}/seed{self.seed}"

    @classmethod
    def typed(cls, word: str) -> TrainingKey:
        """The key that somebody typed as its `word`.

        Raises:
            UserError: another form.
        """
        match = _WORD.fullmatch(word)
        if match is None:
            raise UserError(f"{word!r} names no training; write MODEL/DATASET/SUBSET/seedN: dcgmm-e/digits/not0/seed0")
        return cls(match["dataset"], match["subset"], match["variant"], int(match["seed"]))
