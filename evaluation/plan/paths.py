"""Where everything of a run lies. Nothing else puts such a path together, and nothing takes one apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evaluation.plan.key import TrainingKey


@dataclass(frozen=True)
class Paths:
    """The places of a run below its folder of results, which may have been moved."""

    root: Path

    # --- of one training

    def model(self, key: TrainingKey) -> Path:
        """The directory of a trained model."""
        return self.root / "models" / key.path

    def scores(self, key: TrainingKey) -> Path:
        return self.root / "scores" / f"{key.path}.parquet"

    def samples(self, key: TrainingKey, setting: str = "sample") -> Path:
        """Samples for the judge ("sample"), or for figures: without and with sharpening ("grid_plain", …)."""
        folder = "samples" if setting == "sample" else f"grids/{setting.removeprefix('grid_')}"
        return self.root / folder / f"{key.path}.npz"

    def completions(self, key: TrainingKey) -> Path:
        """The directory of the kept completions, MASK_VARIANT.npz, and of their measures, measures.parquet."""
        return self.root / "completions" / key.path

    def judge(self, dataset: str, seed: int) -> Path:
        """The directory of a judge."""
        return self.root / "judges" / dataset / f"seed{seed}"

    # --- of a job: `name` as in `Job.name`

    def stamp(self, stage: str, name: str) -> Path:
        return self.root / "stamps" / stage / f"{name}.json"

    def log(self, stage: str, name: str) -> Path:
        return self.root / "logs" / stage / f"{name}.log"

    def benchmark(self, stage: str, name: str) -> Path:
        return self.root / "benchmarks" / stage / f"{name}.tsv"

    # --- of the run

    def metrics(self, experiment: str, dataset: str) -> Path:
        return self.root / "metrics" / f"{experiment}_{dataset}.parquet"

    def table(self, file: str, suffix: str = ".csv") -> Path:
        return self.root / "tables" / f"{file}{suffix}"

    def figure(self, file: str, suffix: str = ".png") -> Path:
        return self.root / "figures" / f"{file}{suffix}"

    @property
    def profile(self) -> Path:
        """The profile as it was resolved when the run was started."""
        return self.root / "profile.json"

    @property
    def provenance(self) -> Path:
        return self.root / "provenance.json"

    @property
    def compare(self) -> Path:
        return self.root / "compare.md"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def lock(self) -> Path:
        """Held locked by the run that works here."""
        return self.root / ".running.lock"

    @property
    def log_list(self) -> Path:
        """Names Snakemake's logs of the runs here, the last one at the end."""
        return self.root / ".running.logs"
