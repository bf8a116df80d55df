"""The iterations of one rank: train, evaluate, save, and stop when asked."""

from __future__ import annotations

import enum
import os
import time
from gettext import gettext as _
from typing import List, Optional

import torch
import torch.distributed as dist

from backend.node.job_lines import print_problem
from backend.node.train import log_lines
from backend.node.train.batches import BatchSource
from backend.node.train.checkpoint import Checkpoints
from backend.node.train.micro_batch import MicroBatch
from backend.node.train.replica import Replica, StepResult
from backend.node.train.schedule import learning_rate
from backend.node.train.stopping import stop_is_asked


class End(enum.Enum):
    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"


class TrainingLoop:
    """From `iteration` to the last. `source` is None on a stage in the middle, which reads no data."""

    def __init__(
        self,
        replica: Replica,
        source: Optional[BatchSource],
        checkpoints: Checkpoints,
        iteration: int,
        consumed_samples: int,
        device: torch.device,
    ) -> None:
        self._replica = replica
        self._job = replica.job
        self._grid = replica.grid
        self._source = source
        self._checkpoints = checkpoints
        self._device = device
        self._iteration = iteration
        self._consumed = consumed_samples
        self._losses: List[float] = []
        self._elapsed_s = 0.0

    def run(self) -> End:
        """Iterate, evaluate and save; the same answer on every rank. Once a rank was asked to stop all finish
        their step and save. Raises JobError."""
        job = self._job
        self._say(log_lines.training_starts_line())
        self._say(log_lines.date_line("before the start of training step", time.time()))
        while self._iteration < job.train_iterations:
            result = self._iterate()
            if not result.finite:
                self._say_diverged(result)
                return End.DIVERGED
            last = self._iteration == job.train_iterations
            stops = result.stop and not last
            if job.eval_interval and not stops and (last or self._iteration % job.eval_interval == 0):
                self._evaluate()
            if last or stops or self._iteration % job.save_interval == 0:
                self._checkpoints.save(self._iteration, self._consumed)
            if stops:
                self._say(log_lines.stopped_line(time.time()))
                return End.STOPPED
        self._say(log_lines.training_done_line(time.time()))
        return End.FINISHED

    def _iterate(self) -> StepResult:
        began = time.perf_counter()
        job = self._job
        batches: List[MicroBatch] = [] if self._source is None else self._source.micro_batches(self._consumed)
        lr = learning_rate(self._iteration + 1, job)
        result = self._replica.step(batches, lr, stop_is_asked())
        if not result.finite:
            return result
        self._iteration += 1
        self._consumed += job.global_batch_size
        self._losses.append(result.loss)
        self._elapsed_s += time.perf_counter() - began
        if self._iteration % job.log_interval == 0:
            self._log(lr, result)
        return result

    def _log(self, lr: float, result: StepResult) -> None:
        """Say how the interval went, and begin the next; only the global last rank prints."""
        count = len(self._losses)
        if self._grid.is_global_last:
            report = log_lines.IterationReport(
                iteration=self._iteration,
                train_iterations=self._job.train_iterations,
                consumed_samples=self._consumed,
                elapsed_ms=self._elapsed_s * 1000.0 / count,
                lr=lr,
                global_batch_size=self._job.global_batch_size,
                lm_loss=sum(self._losses) / count,
                grad_norm=result.grad_norm,
            )
            log_lines.say(log_lines.iteration_line(report, time.time()))
        self._losses.clear()
        self._elapsed_s = 0.0

    def _evaluate(self) -> None:
        """Say the mean loss over `eval_iterations` global batches of validation samples."""
        job = self._job
        # After an interval the number of the intervals; the end of the run makes one more.
        number = -(-self._iteration // job.eval_interval) - 1
        total = torch.zeros((), dtype=torch.float32, device=self._device)
        for step in range(job.eval_iterations):
            batches: List[MicroBatch] = []
            if self._source is not None:
                batches = self._source.validation_micro_batches(number, step)
            total += self._replica.evaluate(batches)
        dist.all_reduce(total)
        if self._grid.is_global_last:
            loss = total.item() / job.eval_iterations
            log_lines.say("\n".join(log_lines.validation_lines(self._iteration, loss)))

    def _say(self, line: str) -> None:
        if self._grid.rank == 0:
            log_lines.say(line)

    def _say_diverged(self, result: StepResult) -> None:
        if not result.own_loss_finite:
            device = "cpu" if self._device.type == "cpu" else str(self._device.index)
            log_lines.say(log_lines.nan_line(self._grid.rank, device, os.uname().nodename))
        if self._grid.is_global_last:
            print_problem(
                "lr",
                _("the loss of iteration {iteration} is {loss}, the gradient norm {norm}").format(
                    iteration=self._iteration + 1, loss=result.loss, norm=result.grad_norm
                ),
                _("the training has diverged, or a device computes wrongly"),
                _("lower the learning rate or check the data; resume from the last checkpoint"),
            )
