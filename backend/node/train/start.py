"""What a run begins with: its own newest checkpoint, else converted weights, else random ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from gettext import gettext as _
from typing import Any, Dict, List, Mapping, Optional, Tuple

import torch
from torch import Tensor

from backend.node.job_lines import JobError
from backend.node.train import log_lines
from backend.node.train.checkpoint import CONSUMED, OPTIMIZER, RANDOM, WRITTEN
from backend.node.train.grid import Grid
from backend.node.train.initial_weights import initial_weights
from backend.node.train.lora_agreement import check_alpha
from backend.node.train.random_state import set_random_state
from backend.node.train.replica import Replica
from backend.node.train.together import from_first_rank
from backend.node.train.train_job import TrainJob
from backend.node.train.tree_weights import TreeWeights, check_tree, plain_values
from backend.node.weights import shards
from backend.node.weights.tree_folder import TRACKER, is_iteration, is_tree

SAVE = "save_directory"
_NONE = -1
_NEEDED = (OPTIMIZER, CONSUMED, RANDOM, WRITTEN)


@dataclass(frozen=True)
class Start:
    """`directory`: where the weights come from, "" for random ones. `args`: the builtin ones of their tree.
    `optimizer` and `random`: only when a run goes on; `written`: the iterations that it has saved before."""

    iteration: int
    consumed_samples: int
    weights: Mapping[str, Tensor]
    args: Dict[str, Any]
    directory: str
    optimizer: Optional[Dict[str, Any]] = None
    random: Optional[List[Dict[str, Any]]] = None
    written: Tuple[int, ...] = ()


def agree_on_start(job: TrainJob, device: torch.device) -> Optional[int]:
    """The iteration of the run's own newest checkpoint as rank 0 finds it, None where it has none yet: all
    ranks start from there, whatever their node's disk shows.

    Rank 0 looks at the names and sizes of all ranks' files before any rank reads a tensor. Raises JobError on
    rank 0 when they are not whole or cut for another layout, and OtherRankFailed on the others."""

    def find() -> int:
        if is_tree(job.save_directory):
            found = shards.latest_iteration(job.save_directory)
            check_tree(job.save_directory, job, SAVE)
            if found is not None:
                return found
        elif any(map(is_iteration, _entries(job.save_directory))):
            # killed before its first checkpoint counted; or somebody has removed the file
            for line in log_lines.no_tracker_lines(os.path.join(job.save_directory, TRACKER)):
                log_lines.say(line)
        if job.load_directory:
            check_tree(job.load_directory, job)
        return _NONE

    agreed = from_first_rank(find, device)
    return None if agreed == _NONE else agreed


def _entries(directory: str) -> List[str]:
    return os.listdir(directory) if os.path.isdir(directory) else []


def find_start(job: TrainJob, grid: Grid, resumed: Optional[int]) -> Start:
    """This rank's part of checkpoint `resumed`, or of what a new run begins with. Raises JobError."""
    if resumed is not None:
        return _resumed(job, grid, resumed)
    if not job.load_directory:
        return Start(0, 0, initial_weights(job, grid), {}, "")
    weights = TreeWeights(job.load_directory, grid)
    check_alpha(weights.args, weights, job)
    return Start(0, 0, weights, weights.args, job.load_directory)


def _resumed(job: TrainJob, grid: Grid, resumed: int) -> Start:
    directory = job.save_directory
    content = shards.read_rank(directory, grid.tp_rank, grid.pp_rank, grid.tp, grid.pp)
    if content["iteration"] != resumed or any(name not in content for name in _NEEDED):
        raise JobError(
            SAVE,
            _("cannot resume from {directory}").format(directory=directory),
            _("iteration {iteration} is not a whole checkpoint of this engine on every node").format(
                iteration=resumed
            ),
            _("choose another directory, or one that all nodes share"),
        )
    args = plain_values(vars(content["args"]))
    weights = shards.model_tensors(content)
    check_alpha(args, weights, job)
    return Start(
        resumed,
        int(content[CONSUMED]),
        weights,
        args,
        directory,
        content[OPTIMIZER],
        content[RANDOM],
        tuple(content[WRITTEN]),
    )


def go_on(replica: Replica, start: Start, device: torch.device) -> None:
    """Continue with the moments and random numbers of the checkpoint, when there is one. Raises JobError."""
    if start.optimizer is None or start.random is None:
        return
    if not replica.optimizer.load(start.optimizer):
        raise JobError(
            SAVE,
            _("cannot resume from {directory}").format(directory=start.directory),
            _("its optimizer belongs to another model, layout or dtype"),
            _("choose another directory"),
        )
    set_random_state(start.random, device)
