"""The lines a training run prints, in Megatron's words (megatron/training/training.py, core_r0.6.0)."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from typing import Any, List, Mapping

from backend.node.train.train_job import TrainJob

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
    return (
        f" [{_stamp(now)}]"
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


def validation_lines(iteration: int, loss: float) -> List[str]:
    """The frame around the mean loss of an evaluation; a perplexity above e^20 is printed as e^20."""
    perplexity = math.exp(min(20.0, loss))
    line = (
        f" validation loss at iteration {iteration} |"
        f" lm loss value: {loss:.6E} | lm loss PPL: {perplexity:.6E} | "
    )
    dashes = "-" * (len(line) + 1)
    return [dashes, line, dashes]


def argument_lines(arguments: Mapping[str, Any]) -> List[str]:
    """The dump of all arguments by name."""
    lines = [f"  {name} {'.' * (48 - len(name))} {value}" for name, value in arguments.items()]
    title = "arguments"
    return [
        f"------------------------ {title} ------------------------",
        *sorted(lines, key=str.lower),
        f"-------------------- end of {title} ---------------------",
    ]


def layout_lines(job: TrainJob) -> List[str]:
    """What Megatron says about ranks, dtype and micro batches before it begins."""
    dtype = {"fp32": "torch.float32", "bf16": "torch.bfloat16"}[job.dtype]
    return [
        f"using world size: {job.world_size}, data-parallel size: {job.data_parallel},"
        f" context-parallel size: 1 tensor-model-parallel size: {job.tensor_parallel},"
        f" pipeline-model-parallel size: {job.pipeline_parallel} ",
        f"using {dtype} for parameters ...",
    ]


def groups_lines(job: TrainJob) -> List[str]:
    return [
        f"> initialized tensor model parallel with size {job.tensor_parallel}",
        f"> initialized pipeline model parallel with size {job.pipeline_parallel}",
        f"> setting random seeds to {job.seed} ...",
    ]


def micro_batches_line(job: TrainJob) -> str:
    return f"setting number of micro-batches to constant {job.num_micro_batches}"


def parameters_line(tp_rank: int, pp_rank: int, count: int) -> str:
    """`count`: of the parameters on this rank."""
    return (
        f" > number of parameters on (tensor, pipeline) model parallel rank ({tp_rank}, {pp_rank}): {count}"
    )


def decay_style_line(style: str) -> str:
    return f"> learning rate decay style: {style}"


def setup_done_line() -> str:
    return "done with setup ..."


def training_starts_line() -> str:
    return "training ..."


def date_line(what: str, now: float) -> str:
    """A milestone: "after dataloaders are built"."""
    return f"[{what}] datetime: {_stamp(now)} "


def training_done_line(now: float) -> str:
    return date_line("after training is done", now)


def stopped_line(now: float) -> str:
    """The end after a signal to stop, as Megatron says it with --exit-signal-handler."""
    return date_line("exiting program after receiving SIGTERM.", now)


def evaluating_line(samples: int) -> str:
    return f"Evaluating on {samples} samples"


def nan_line(rank: int, device: str, node: str) -> str:
    """Megatron's guard against a loss that is no number; `device`: "cpu", or the number of an accelerator."""
    return f"Rank {rank}: found NaN in local forward loss calculation. Device: {device}, node: {node}"


def loading_line(iteration: int, directory: str) -> str:
    return f" loading checkpoint from {directory} at iteration {iteration}"


def no_tracker_lines(tracker: str) -> List[str]:
    """Checkpoints are there and nothing says which of them is whole."""
    return [
        f"WARNING: could not find the metadata file {tracker} ",
        "    the training starts anew, and its checkpoints will replace those that are there",
    ]


def saving_line(iteration: int, directory: str) -> str:
    return f"saving checkpoint at iteration {iteration:7d} to {directory}"


def saved_line(iteration: int, directory: str) -> str:
    return f"  successfully saved checkpoint at iteration {iteration:7d} to {directory}"


def loaded_line(iteration: int, directory: str) -> str:
    return f"  successfully loaded checkpoint from {directory} at iteration {iteration}"


def say(line: str) -> None:
    """Print one line, or lines that belong together, at once: the ranks of a node share one file, and must
    not cut into each other."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _stamp(now: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
