"""Checkpoints that a run has written and need not keep: removed by the ranks that wrote them."""

from __future__ import annotations

import contextlib
import os
from typing import Sequence, Tuple

from backend.node import durable
from backend.node.train.grid import Grid
from backend.node.weights.shards import iteration_directory, rank_directory_name
from backend.node.weights.tree_folder import RANK_FILE


def split_old(written: Sequence[int], keep_last: int) -> Tuple[Tuple[int, ...], Tuple[int, ...]]:
    """The iterations to remove, and those to keep: the newest `keep_last`, or all where that is 0."""
    ordered = tuple(sorted(set(written)))
    cut = max(len(ordered) - keep_last, 0) if keep_last else 0
    return ordered[:cut], ordered[cut:]


def remove_own_file(directory: str, iteration: int, grid: Grid) -> None:
    """Remove this rank's file of a checkpoint, and the folders that are empty then.

    What cannot be removed stays: it harms nobody, and the next save tries again."""
    whole = iteration_directory(directory, iteration)
    folder = os.path.join(whole, rank_directory_name(grid.tp_rank, grid.pp_rank, grid.pp))
    path = os.path.join(folder, RANK_FILE)
    with contextlib.suppress(OSError):
        durable.remove_leftovers(path, ours_alone=True)
        if os.path.exists(path):
            os.unlink(path)
        # Only when nothing else is in them.
        if os.path.isdir(folder):
            os.rmdir(folder)
        os.rmdir(whole)
