"""One rank of a training run: join the others, load the weights, iterate, end with a status that says how."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from gettext import gettext as _
from typing import Any, Dict, List, Optional

import torch
import torch.distributed as dist

from backend.node.train import log_lines
from backend.node.train.batches import BatchSource
from backend.node.train.checkpoint import Checkpoints
from backend.node.train.device import choose_device
from backend.node.train.grid import Grid
from backend.node.train.lifeline import die_with_launcher
from backend.node.train.lora_export import check_original
from backend.node.train.megatron_args import megatron_args
from backend.node.train.process_groups import Groups, join
from backend.node.train.rank_environment import read_ranks
from backend.node.train.replica import Replica
from backend.node.train.start import Start, agree_on_start, find_start, go_on
from backend.node.train.stopping import LOST_PEER_STATUS, STOPPED_STATUS
from backend.node.train.together import OtherRankFailed, on_all_ranks
from backend.node.train.train_job import TrainJob
from backend.node.train.train_job_reader import read_train_job
from backend.node.train.training_loop import End, TrainingLoop

# What gloo says when the process at the other end of a connection is gone.
_PEER_GONE = re.compile(r"closed by peer|reset by peer|broken pipe|connection refused", re.IGNORECASE)
_STATUS = {End.FINISHED: 0, End.DIVERGED: 1, End.STOPPED: STOPPED_STATUS}


def run_rank(job_json: Dict[str, Any]) -> int:
    """Train to the end, as RANK and LOCAL_RANK of the ranks that meet at MASTER_ADDR:MASTER_PORT.

    Answers 0; 1 when the training diverged; STOPPED_STATUS when it saved and stopped as somebody asked one of
    the ranks; LOST_PEER_STATUS when another rank ended, which says why itself. Raises JobError.
    """
    die_with_launcher()
    job = read_train_job(job_json)
    rank, local_rank = read_ranks(job)
    grid = Grid(rank, job.tensor_parallel, job.pipeline_parallel, job.data_parallel)
    accelerator = choose_device(job.device, local_rank, job.npus_per_node)
    torch.manual_seed(job.seed)
    if rank == 0:
        check_original(job)
        _say_all(log_lines.layout_lines(job))
    groups = join(grid, accelerator.backend)
    try:
        end = train_from_start(job, grid, groups, accelerator.device)
        dist.barrier()
    except OtherRankFailed:
        return LOST_PEER_STATUS
    except RuntimeError as error:
        if not _PEER_GONE.search(str(error)):
            raise
        # Not a problem line: there is one of the rank that ended first.
        what = _("rank {rank} lost the connection to another rank").format(rank=rank)
        log_lines.say(f"{what}: {_first_sentence(str(error))}")
        return LOST_PEER_STATUS
    dist.destroy_process_group()
    return _STATUS[end]


@dataclass(frozen=True)
class _Ready:
    """All that a rank needs before its first iteration."""

    start: Start
    replica: Replica
    source: Optional[BatchSource]


def train_from_start(job: TrainJob, grid: Grid, groups: Groups, device: torch.device) -> End:
    """The run of one rank that has joined the others. Raises JobError, and OtherRankFailed where another rank
    has raised one before the first iteration."""
    resumed = agree_on_start(job, device)
    ready = on_all_ranks(lambda: _get_ready(job, grid, groups, device, resumed), device)
    start, replica = ready.start, ready.replica
    args = megatron_args(job, start.args)
    if grid.rank == 0:
        _say_start(job, grid, ready, args)
    checkpoints = Checkpoints(replica, args, start.written)
    loop = TrainingLoop(replica, ready.source, checkpoints, start.iteration, start.consumed_samples, device)
    # What a start holds is in the replica now: let go of the mapped files.
    del ready, start
    return loop.run()


def _get_ready(
    job: TrainJob, grid: Grid, groups: Groups, device: torch.device, resumed: Optional[int]
) -> _Ready:
    reads_data = grid.is_first_stage or grid.is_last_stage
    source = BatchSource(job, grid.dp_rank, device) if reads_data else None
    start = find_start(job, grid, resumed)
    replica = Replica(job, grid, groups, device, start.weights)
    go_on(replica, start, device)
    return _Ready(start, replica, source)


def _say_start(job: TrainJob, grid: Grid, ready: _Ready, args: Dict[str, Any]) -> None:
    """What Megatron's rank 0 says before the first iteration."""
    _say_all(log_lines.argument_lines(args))
    _say_all([log_lines.micro_batches_line(job), *log_lines.groups_lines(job)])
    count = sum(parameter.numel() for parameter in ready.replica.stage.parameters())
    log_lines.say(log_lines.parameters_line(grid.tp_rank, grid.pp_rank, count))
    log_lines.say(log_lines.decay_style_line(job.lr_decay_style))
    start = ready.start
    if start.directory:
        log_lines.say(log_lines.loading_line(start.iteration, start.directory))
        log_lines.say(log_lines.loaded_line(start.iteration, start.directory))
    assert ready.source is not None, "rank 0 is on the first stage"
    _say_all(ready.source.describe())
    log_lines.say(log_lines.date_line("after dataloaders are built", time.time()))
    log_lines.say(log_lines.setup_done_line())


def _say_all(lines: List[str]) -> None:
    for line in lines:
        log_lines.say(line)


def _first_sentence(text: str) -> str:
    """What a library said, without the place in its source and the advice that follows."""
    said = re.sub(r"^(\[[^\]]*\]\s*)+", "", text.strip().partition("\n")[0])
    return re.split(r"(?<=[a-z\]\d])\.\s", said)[0][:160]
