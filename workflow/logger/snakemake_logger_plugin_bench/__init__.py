"""`snakemake --logger bench`: a run's progress on the terminal (evaluation/results/terminal.py)."""

from __future__ import annotations

from snakemake_interface_logger_plugins.base import LogHandlerBase

from evaluation.results.terminal import show


class LogHandler(LogHandlerBase):
    """Snakemake's side: hands every log record to the display."""

    def __post_init__(self) -> None:
        self.display = show(dry_run=self.common_settings.dryrun, stdout=self.common_settings.stdout)

    def emit(self, record) -> None:
        self.display.handle(record)

    def close(self) -> None:
        self.display.close()
        super().close()

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False
