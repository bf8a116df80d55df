"""One rank of a training run: join the others, load the weights, iterate, save."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from gettext import gettext as _
from typing import Any, Dict, List

import torch
import torch.distributed as dist

from backend.node.job_lines import JobError, print_problem
from backend.node.train import checkpoint, log_lines
from backend.node.train.batches import BatchSource
from backend.node.train.device import choose_device
from backend.node.train.grid import Grid
from backend.node.train.lifeline import die_with_launcher
from backend.node.train.micro_batch import MicroBatch
from backend.node.train.process_groups import join
from backend.node.train.replica import Replica, StepResult
from backend.node.train.schedule import learning_rate
from backend.node.train.train_job import TrainJob
from backend.node.train.train_job_reader import read_train_job

# What gloo says when the process at the other end of a connection is gone.
_PEER_GONE = re.compile(r"closed by peer|reset by peer|broken pipe|connection refused", re.IGNORECASE)


def run_rank(job_json: Dict[str, Any]) -> int:
    """Train to the end, as RANK and LOCAL_RANK of the ranks that meet at MASTER_ADDR.

    Answers 0, or 1 when the training diverged. Raises JobError.
    """
    die_with_launcher()
    job = read_train_job(job_json)
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    grid = Grid(rank, job.tensor_parallel, job.pipeline_parallel, job.data_parallel)
    accelerator = choose_device(job.device, local_rank, job.npus_per_node)
    torch.manual_seed(job.seed)
    groups = join(grid, accelerator.backend)
    try:
        start = checkpoint.find_start(job, grid, accelerator.device)
        replica = Replica(job, grid, groups, accelerator.device, start.weights)
        checkpoint.resume_optimizer(replica, start)
        # Their values are in the replica now: let go of the mapped files.
        start = dataclasses.replace(start, weights={}, optimizer=None)
        finished = _TrainingLoop(replica, start, accelerator.device).run()
    except RuntimeError as error:
        if not _PEER_GONE.search(str(error)):
            raise
        raise JobError(
            "",
            _("rank {rank} lost the connection to another rank").format(rank=rank),
            _first_sentence(str(error)),
            _("look for the rank that ended first"),
        ) from error
    dist.barrier()
    dist.destroy_process_group()
    return 0 if finished else 1


def _first_sentence(text: str) -> str:
    """What a library said, without the place in its source and the advice that follows."""
    said = re.sub(r"^(\[[^\]]*\]\s*)+", "", text.strip().partition("\n")[0])
    return re.split(r"(?<=[a-z\]\d])\.\s", said)[0][:160]


class _TrainingLoop:
    """The iterations of one rank, from where `start` is to the last."""

    def __init__(self, replica: Replica, start: checkpoint.Start, device: torch.device) -> None:
        self._replica = replica
        self._job: TrainJob = replica.job
        self._grid = replica.grid
        self._start = start
        self._iteration = start.iteration
        self._consumed = start.consumed_samples
        reads_data = self._grid.is_first_stage or self._grid.is_last_stage
        self._source = BatchSource(self._job, self._grid.dp_rank, device) if reads_data else None
        self._losses: List[float] = []
        self._elapsed_s = 0.0

    def run(self) -> bool:
        """Iterate and save; False when the numbers stopped being numbers. The same answer on every rank."""
        if self._grid.rank == 0:
            log_lines.say(log_lines.loaded_line(self._start.iteration, self._start.directory))
            log_lines.say(log_lines.training_starts_line())
        # The slowest rank's start-up is not part of the first iteration.
        dist.barrier()
        while self._iteration < self._job.train_iterations:
            if not self._iterate():
                return False
            last = self._iteration == self._job.train_iterations
            if last or self._iteration % self._job.save_interval == 0:
                checkpoint.save(self._replica, self._iteration, self._consumed, self._start.args)
        if self._grid.rank == 0:
            log_lines.say(log_lines.training_done_line(time.time()))
        return True

    def _iterate(self) -> bool:
        began = time.perf_counter()
        job = self._job
        batches: List[MicroBatch] = [] if self._source is None else self._source.micro_batches(self._consumed)
        number = self._iteration + 1
        lr = learning_rate(number, job.lr, job.min_lr, job.warmup_iterations, job.train_iterations)
        result = self._replica.step(batches, lr)
        if not result.finite:
            if self._grid.is_global_last:
                _say_diverged(number, result)
            return False
        self._iteration = number
        self._consumed += job.global_batch_size
        self._losses.append(result.loss)
        self._elapsed_s += time.perf_counter() - began
        if number % job.log_interval == 0:
            self._log(lr, result)
        return True

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


def _say_diverged(iteration: int, result: StepResult) -> None:
    print_problem(
        "lr",
        _("the loss of iteration {iteration} is {loss}, the gradient norm {norm}").format(
            iteration=iteration, loss=result.loss, norm=result.grad_norm
        ),
        _("the training has diverged, or a device computes wrongly"),
        _("lower the learning rate or check the data; resume from the last checkpoint"),
    )
