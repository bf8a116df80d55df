"""Where a run starts from, and what it leaves behind: checkpoints in the tree form of Megatron."""

from __future__ import annotations

from dataclasses import dataclass
from gettext import gettext as _
from typing import Any, Dict, Optional

import torch
import torch.distributed as dist
from torch import Tensor

from backend.node.job_lines import JobError
from backend.node.train import log_lines
from backend.node.train.grid import Grid
from backend.node.train.replica import Replica
from backend.node.train.train_job import TrainJob
from backend.node.weights import shards

OPTIMIZER = "optimizer"
CONSUMED = "consumed_samples"


@dataclass(frozen=True)
class Start:
    """What a run begins with. `args` are carried into its checkpoints; `optimizer` only when it resumes."""

    iteration: int
    consumed_samples: int
    weights: Dict[str, Tensor]
    args: Dict[str, Any]
    optimizer: Optional[Dict[str, Any]]
    directory: str


def find_start(job: TrainJob, grid: Grid, device: torch.device) -> Start:
    """The newest checkpoint of the run itself, else the converted weights. Raises JobError."""
    resumed = _agree_on_iteration(job.save_directory, device)
    directory = job.load_directory if resumed is None else job.save_directory
    place = (grid.tp_rank, grid.pp_rank, grid.tp, grid.pp)
    weights = shards.load_rank(directory, *place)
    content = shards.read_rank(directory, *place)
    args = dict(vars(content["args"]))
    if resumed is None:
        return Start(0, 0, weights, args, None, directory)
    if content["iteration"] != resumed or OPTIMIZER not in content or CONSUMED not in content:
        raise JobError(
            "save_directory",
            _("cannot resume from {directory}").format(directory=directory),
            _("iteration {iteration} is not a whole checkpoint of this engine on every node").format(
                iteration=resumed
            ),
            _("choose another directory, or one that all nodes share"),
        )
    return Start(resumed, int(content[CONSUMED]), weights, args, content[OPTIMIZER], directory)


def resume_optimizer(replica: Replica, start: Start) -> None:
    """Continue with the moments of the checkpoint, when there is one. Raises JobError."""
    if start.optimizer is not None and not replica.optimizer.load(start.optimizer):
        raise JobError(
            "save_directory",
            _("cannot resume from {directory}").format(directory=start.directory),
            _("its optimizer belongs to another model, layout or dtype"),
            _("choose another directory"),
        )


def save(replica: Replica, iteration: int, consumed_samples: int, args: Dict[str, Any]) -> None:
    """Write checkpoint `iteration` from all ranks; it counts once every file is on disk. Raises JobError."""
    job, grid = replica.job, replica.grid
    if grid.rank == 0:
        log_lines.say(log_lines.saving_line(iteration, job.save_directory))
    if grid.dp_rank == 0:
        # Data parallel ranks hold the same values: one of them writes.
        extra = {OPTIMIZER: replica.optimizer.state(), CONSUMED: consumed_samples}
        place = (grid.tp_rank, grid.pp_rank, grid.tp, grid.pp)
        model = replica.state()
        saved_args = dict(args, iteration=iteration, consumed_train_samples=consumed_samples)
        shards.save_rank(job.save_directory, iteration, *place, model, _on_cpu(extra), saved_args)
    dist.barrier()
    if grid.rank == 0:
        shards.publish(job.save_directory, iteration)
        log_lines.say(log_lines.saved_line(iteration, job.save_directory))
    # Nobody goes on before the checkpoint counts: the wait belongs to the save, not to the next iteration.
    dist.barrier()


def _on_cpu(extra: Dict[str, Any]) -> Dict[str, Any]:
    return {
        name: _on_cpu(value)
        if isinstance(value, dict)
        else value.detach().cpu()
        if isinstance(value, Tensor)
        else value
        for name, value in extra.items()
    }


def _agree_on_iteration(directory: str, device: torch.device) -> Optional[int]:
    """What rank 0 finds in `directory`: all ranks start from there, whatever their node's disk shows."""
    found = shards.latest_iteration(directory) if dist.get_rank() == 0 else None
    word = torch.tensor([-1 if found is None else found], dtype=torch.int64, device=device)
    dist.broadcast(word, src=0)
    agreed = int(word.item())
    return None if agreed < 0 else agreed
