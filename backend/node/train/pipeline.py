"""The micro batches of an iteration, forward and backward: a plain loop, or torch's schedule of stages."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, List

import torch
from torch import Tensor

from backend.node.train.grid import Grid
from backend.node.train.micro_batch import IGNORED, MicroBatch
from backend.node.train.model import Stage
from backend.node.train.tensor_group import Group
from backend.node.train.train_job import TrainJob

Loss = Callable[[Tensor, Tensor], Tensor]


class PlainLoop:
    """One stage: micro batch after micro batch. `loss(logits, labels)` is the mean of one micro batch."""

    def __init__(self, stage: Stage, loss: Loss, device: torch.device) -> None:
        self._stage = stage
        self._loss = loss
        self._device = device

    def run(self, batches: List[MicroBatch]) -> Tensor:
        """Leave the gradient of the mean loss in the parameters; the mean loss (fp32 scalar)."""
        total = torch.zeros((), dtype=torch.float32, device=self._device)
        for batch in batches:
            loss = self._loss(self._stage(batch.tokens), batch.labels) / len(batches)
            loss.backward()
            total += loss.detach()
        return total


class Pipeline:
    """One stage of several under 1F1B; to be created by all ranks at once. `loss` as in PlainLoop.

    The schedules refuse fewer micro batches than stages (1F1B from torch 2.7 on, GPipe from 2.7 to 2.10), so
    micro batches without labels, whose loss counts nothing, make up for missing ones.
    """

    def __init__(
        self,
        job: TrainJob,
        grid: Grid,
        group: Group,
        stage: Stage,
        vocab_rows: int,
        loss: Loss,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        # Slow to import, and of no use to a run of one stage.
        from torch.distributed.pipelining import PipelineStage

        self._job = job
        self._grid = grid
        self._mean_loss = loss
        self._device = device
        self._count = max(job.num_micro_batches, grid.pp)
        width = vocab_rows if grid.is_last_stage else job.shape.hidden
        place = PipelineStage(
            stage,
            grid.pp_rank,
            grid.pp,
            device,
            input_args=(_example(job, grid.is_first_stage, job.shape.hidden, dtype),),
            output_args=(_example(job, False, width, dtype),),
            group=group,
        )
        # Each loss is a share of the mean already. Releases before 2.7 never scale, and lack the argument.
        kind = _schedule_class(device)
        self._schedule = kind(place, self._count, loss_fn=self._loss, **_if_known(kind, "scale_grads"))
        # Releases before 2.10 always collect the logits of all micro batches.
        self._options = _if_known(kind.step, "return_outputs")

    def run(self, batches: List[MicroBatch]) -> Tensor:
        """As PlainLoop.run; 0 before the last stage. A stage in the middle needs no batches."""
        inputs: List[Tensor] = []
        losses: List[Tensor] = []
        labels = None
        if batches:
            missing = self._count - len(batches)
            if self._grid.is_first_stage:
                inputs.append(torch.cat([one.tokens for one in batches + batches[:1] * missing]))
            if self._grid.is_last_stage:
                nothing = torch.full_like(batches[0].labels, IGNORED)
                labels = torch.cat([*(one.labels for one in batches), *[nothing] * missing])
        try:
            self._schedule.step(*inputs, target=labels, losses=losses, **self._options)
        except RuntimeError as error:
            # The schedule wraps what a stage raised; its sentence is the one that says what happened.
            if error.__cause__ is None:
                raise
            raise error.__cause__ from None
        if not losses:
            return torch.zeros((), dtype=torch.float32, device=self._device)
        return torch.stack(losses).detach().sum()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self._mean_loss(logits, labels) / self._job.num_micro_batches


def _schedule_class(device: torch.device) -> Any:
    """1F1B, except on CPUs before torch 2.8: there it waits for the last of two transfers only, and gloo
    forgets a transfer that nobody waits for, so the ranks would wait for ever. GPipe never joins two."""
    from torch.distributed.pipelining import Schedule1F1B, ScheduleGPipe

    # A TorchVersion compares by number, not by letter.
    is_old = torch.__version__ < "2.8"
    return ScheduleGPipe if device.type == "cpu" and is_old else Schedule1F1B


def _if_known(function: Callable[..., Any], name: str) -> Dict[str, Any]:
    """The argument `name` = False for a function of torch, where this release has it."""
    return {name: False} if name in inspect.signature(function).parameters else {}


def _example(job: TrainJob, tokens: bool, width: int, dtype: torch.dtype) -> Tensor:
    """What moves between stages, without memory: given shapes spare the schedule its trial run."""
    size = (job.micro_batch_size, job.seq_length)
    if tokens:
        return torch.empty(size, dtype=torch.int64, device="meta")
    return torch.empty((*size, width), dtype=dtype, device="meta", requires_grad=True)
