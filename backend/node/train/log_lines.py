"""The lines a training run prints, in Megatron's words (megatron/training/training.py, core_r0.6.0)."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

# These lines are read by programs: they are never translated.


@dataclass(frozen=True)
class IterationReport:
    """One logged interval: `elapsed_ms` and `lm_loss` are means over it, `grad_norm` is of its end."""

    iteration: int
    train_iterations: int
    consumed_samples: int
    elapsed_ms: float
    lr: float
    global_batch_size: int
    lm_loss: float
    grad_norm: float


def iteration_line(report: IterationReport, now: float) -> str:
    """The iteration line at `now` (epoch seconds, printed as local time of this node)."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    return (
        f" [{stamp}]"
        f" iteration {report.iteration:8d}/{report.train_iterations:8d} |"
        f" consumed samples: {report.consumed_samples:12d} |"
        f" elapsed time per iteration (ms): {report.elapsed_ms:.1f} |"
        f" learning rate: {report.lr:.6E} |"
        f" global batch size: {report.global_batch_size:5d} |"
        f" lm loss: {report.lm_loss:.6E} |"
        f" loss scale: 1.0 |"
        f" grad norm: {report.grad_norm:.3f} |"
        f" number of skipped iterations: {0:3d} |"
        f" number of nan iterations: {0:3d} |"
    )


def training_starts_line() -> str:
    return "training ..."


def training_done_line(now: float) -> str:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    return f"[after training is done] datetime: {stamp} "


def saving_line(iteration: int, directory: str) -> str:
    return f"saving checkpoint at iteration {iteration:7d} to {directory}"


def saved_line(iteration: int, directory: str) -> str:
    return f"  successfully saved checkpoint at iteration {iteration:7d} to {directory}"


def loaded_line(iteration: int, directory: str) -> str:
    return f"  successfully loaded checkpoint from {directory} at iteration {iteration}"


def say(line: str) -> None:
    """Print one whole line at once: the ranks of a node share one file, and must not cut into each other."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
