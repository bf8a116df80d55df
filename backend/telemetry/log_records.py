"""What can be read out of a training log. `offset` is the byte in the log at which a record begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class IterationRecord:
    """One iteration. What the line does not print is None; `iteration` too, for a trainer that prints none.

    `elapsed_ms` is per iteration, also where the line is in seconds. `lm_loss` holds a field named plain
    `loss` too. Losses and norms may be nan or inf, as printed. `extra`: all other fields that are numbers,
    by their normalised name ("load balancing loss", "consumed tokens").
    """

    offset: int
    iteration: int | None
    total: int | None
    consumed_samples: int | None = None
    elapsed_ms: float | None = None
    lr: float | None = None
    gbs: int | None = None
    lm_loss: float | None = None
    loss_scale: float | None = None
    grad_norm: float | None = None
    skipped: int | None = None
    nan: int | None = None
    tflops: float | None = None
    extra: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ValidationRecord:
    """`iteration` is None for the evaluation after the end of training. `ppl` as printed: at most exp(20)."""

    offset: int
    iteration: int | None
    loss: float | None
    ppl: float | None


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint was saved completely; one that was only begun is no record."""

    offset: int
    iteration: int
    path: str | None


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    offset: int


@dataclass(frozen=True, slots=True)
class TrainingEnded:
    """The trainer itself says that it is done, or that it leaves after its allotted time or iterations."""

    offset: int


@dataclass(frozen=True, slots=True)
class NodeLine:
    """A line of our own node code. `kind` and `payload`:

    "progress"   done, total (number or None), unit, text
    "rank_exit"  rank, exit_code (whole numbers), signal, at (epoch seconds of the node), local_rank
    "problem"    field, severity, what, why, fix (all strings)
    """

    offset: int
    kind: str
    payload: dict[str, Any]


LogRecord = IterationRecord | ValidationRecord | CheckpointRecord | TrainingStarted | TrainingEnded | NodeLine
