"""The micro batches of an iteration, forward and backward: a plain loop, or torch's schedule of stages."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, List, Tuple

import torch
import torch.distributed as dist
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

    def evaluate(self, batches: List[MicroBatch]) -> Tensor:
        """The mean loss (fp32 scalar); to be called without gradients."""
        total = torch.zeros((), dtype=torch.float32, device=self._device)
        for batch in batches:
            total += self._loss(self._stage(batch.tokens), batch.labels) / len(batches)
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
        self._group = group
        self._stage = stage
        self._mean_loss = loss
        self._dtype = dtype
        self._device = device
        self._count = max(job.num_micro_batches, grid.pp)
        tokens = torch.empty((job.micro_batch_size, job.seq_length), dtype=torch.int64, device="meta")
        hidden = _example(_hidden_size(job), dtype)
        logits = _example((job.micro_batch_size, job.seq_length, vocab_rows), dtype)
        place = PipelineStage(
            stage,
            grid.pp_rank,
            grid.pp,
            device,
            input_args=(tokens if grid.is_first_stage else hidden,),
            output_args=(logits if grid.is_last_stage else hidden,),
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

    def evaluate(self, batches: List[MicroBatch]) -> Tensor:
        """As PlainLoop.evaluate; 0 before the last stage. A stage in the middle needs no batches.

        Without backward passes there is nothing to schedule, and torch's schedules before 2.8 cannot leave
        them out: micro batch after micro batch goes through the stages.
        """
        total = torch.zeros((), dtype=torch.float32, device=self._device)
        for number in range(self._job.num_micro_batches):
            x = batches[number].tokens if self._grid.is_first_stage else self._from_previous()
            x = self._stage(x)
            if self._grid.is_last_stage:
                total += self._loss(x, batches[number].labels)
            else:
                dist.send(x.contiguous(), self._neighbour(1), group=self._group)
        return total

    def _from_previous(self) -> Tensor:
        size = _hidden_size(self._job)
        x = torch.empty(size, dtype=self._dtype, device=self._device)
        dist.recv(x, self._neighbour(-1), group=self._group)
        return x

    def _neighbour(self, step: int) -> int:
        grid = self._grid
        return grid.rank_at(grid.tp_rank, grid.dp_rank, grid.pp_rank + step)

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


def _hidden_size(job: TrainJob) -> Tuple[int, int, int]:
    """What moves between stages: each tensor parallel rank's part of the sequence where they split it."""
    ranks = job.tensor_parallel if job.sequence_parallel else 1
    return job.micro_batch_size, job.seq_length // ranks, job.shape.hidden


def _example(size: Tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Without memory: given shapes spare the schedule its trial run."""
    return torch.empty(size, dtype=dtype, device="meta", requires_grad=True)
