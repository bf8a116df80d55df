"""What a run leaves behind, and how it goes on from there: checkpoints in the tree form of Megatron."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Dict, List, Sequence

import torch.distributed as dist
from torch import Tensor

from backend.node import durable
from backend.node.train import log_lines
from backend.node.train.lora_agreement import adapter_args
from backend.node.train.lora_export import write_adapter
from backend.node.train.old_checkpoints import remove_own_file, split_old
from backend.node.train.random_state import random_state
from backend.node.train.replica import Replica
from backend.node.weights import shards
from backend.node.weights.tree_folder import RANK_FILE

OPTIMIZER = "optimizer"
CONSUMED = "consumed_samples"
RANDOM = "rng_state"
WRITTEN = "npudeck_written_iterations"


class Checkpoints:
    """Writes the checkpoints of a run. `args`: what all carry, see megatron_args; `written`: the iterations
    that the run has saved before and not removed."""

    def __init__(self, replica: Replica, args: Dict[str, Any], written: Sequence[int]) -> None:
        self._replica = replica
        self._args = args
        self._written = tuple(written)

    def save(self, iteration: int, consumed_samples: int) -> None:
        """Write checkpoint `iteration` from all ranks; it counts once every file is on disk, and then older
        ones may go. A crash at any moment leaves the tracker naming a whole checkpoint. Raises JobError."""
        job, grid = self._replica.job, self._replica.grid
        if grid.rank == 0:
            log_lines.say(log_lines.saving_line(iteration, job.save_directory))
        old, kept = split_old([*self._written, iteration], job.keep_last)
        if grid.dp_rank == 0:
            # Data parallel ranks hold the same values: one of them writes.
            self._write(iteration, consumed_samples, [*old, *kept])
        dist.barrier()
        if grid.rank == 0:
            shards.publish(job.save_directory, iteration)
            write_adapter(job)
            log_lines.say(log_lines.saved_line(iteration, job.save_directory))
        # Nobody goes on before the checkpoint counts: the wait belongs to the save, not to an iteration.
        dist.barrier()
        self._written = kept
        if grid.dp_rank == 0:
            for number in old:
                remove_own_file(job.save_directory, number, grid)

    def _write(self, iteration: int, consumed_samples: int, written: List[int]) -> None:
        replica, grid = self._replica, self._replica.grid
        job = replica.job
        extra = {
            OPTIMIZER: replica.optimizer.state(),
            CONSUMED: consumed_samples,
            RANDOM: random_state(replica.parameters.master.device),
            WRITTEN: written,
        }
        args = dict(self._args, iteration=iteration, consumed_train_samples=consumed_samples)
        if job.lora is not None:
            args.update(adapter_args(job.lora))
        folder = os.path.join(
            shards.iteration_directory(job.save_directory, iteration),
            shards.rank_directory_name(grid.tp_rank, grid.pp_rank, grid.pp),
        )
        with contextlib.suppress(OSError):  # The write will say it.
            # Of this run's own rank, killed while it wrote.
            durable.remove_leftovers(os.path.join(folder, RANK_FILE), ours_alone=True)
        place = (grid.tp_rank, grid.pp_rank, grid.tp, grid.pp)
        shards.save_rank(job.save_directory, iteration, *place, replica.state(), _on_cpu(extra), args)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _on_cpu(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_on_cpu(entry) for entry in value]
    return value.detach().cpu() if isinstance(value, Tensor) else value
