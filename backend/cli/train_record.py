"""How a training on this machine went, as its log said it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backend.problems import Problem
from backend.telemetry.training_log import CheckpointRecord, IterationRecord, LogRecord
from backend.translation import _

if TYPE_CHECKING:
    from backend.cli.train_plan import LocalRun

FINISHED, FAILED, STOPPED = "finished", "failed", "stopped"


@dataclass(slots=True)
class TrainRecord:
    """`iterations`: the number of the last one that is known. Losses are those of this call."""

    state: str = FAILED
    exit_code: int = 1
    iterations: int = 0
    first_loss: float | None = None
    last_loss: float | None = None
    checkpoint_iteration: int | None = None
    exported: str = ""
    problems: list[Problem] = field(default_factory=list)

    def take(self, record: LogRecord) -> None:
        """One record of the training's log."""
        if isinstance(record, IterationRecord) and record.iteration is not None:
            self.iterations = record.iteration
            if record.lm_loss is not None:
                self.first_loss = record.lm_loss if self.first_loss is None else self.first_loss
                self.last_loss = record.lm_loss
        elif isinstance(record, CheckpointRecord):
            self.checkpoint_iteration = record.iteration

    def look_at(self, checkpoint_directory: str) -> None:
        """What stands on disk counts, also of earlier calls."""
        try:
            text = (Path(checkpoint_directory) / "latest_checkpointed_iteration.txt").read_text("ascii")
            self.checkpoint_iteration = int(text)
        except (OSError, ValueError):
            return
        self.iterations = max(self.iterations, self.checkpoint_iteration)

    def words(self, run: LocalRun) -> str:
        """The end in one line, for people."""
        told = {FINISHED: _("finished"), FAILED: _("failed"), STOPPED: _("stopped")}
        parts = [
            _("{state} at iteration {done:,} of {total:,}").format(
                state=told[self.state], done=self.iterations, total=run.total_iterations
            )
        ]
        if self.first_loss is not None and self.last_loss is not None:
            parts.append(
                _("loss {first:.3f} → {last:.3f}").format(first=self.first_loss, last=self.last_loss)
            )
        if self.checkpoint_iteration is None:
            parts.append(_("no checkpoint was saved"))
        else:
            words = _("checkpoint {number:,} in {directory}")
            parts.append(words.format(number=self.checkpoint_iteration, directory=run.checkpoint_directory))
        if self.exported:
            parts.append(_("Hugging Face model in {path}").format(path=self.exported))
        return " · ".join(parts)
