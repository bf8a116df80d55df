"""Join the other ranks, and the groups of ranks that reduce something among themselves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from gettext import gettext as _
from typing import List

import torch.distributed as dist

from backend.node.job_lines import JobError
from backend.node.train.grid import Grid
from backend.node.train.network import check_reachable, interface_towards
from backend.node.train.tensor_group import Group

TIMEOUT = timedelta(minutes=30)  # as HCCL waits by default: a checkpoint may take long


@dataclass(frozen=True)
class Groups:
    """This rank's groups; None where the rank would be alone. `embedding`: first and last stage."""

    tensor: Group
    data: Group
    embedding: Group
    pipeline: Group


def join(grid: Grid, backend: str) -> Groups:
    """Meet all ranks at MASTER_ADDR:MASTER_PORT. Raises JobError when that fails."""
    master = os.environ["MASTER_ADDR"]
    if backend == "gloo" and "GLOO_SOCKET_IFNAME" not in os.environ:
        interface = interface_towards(master)
        check_reachable(master, interface, int(os.environ.get("NNODES", "1")))
        os.environ["GLOO_SOCKET_IFNAME"] = interface
    try:
        dist.init_process_group(backend, rank=grid.rank, world_size=grid.world_size, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise JobError(
            "MASTER_PORT",
            _("rank {rank} cannot meet the others at {address}:{port}").format(
                rank=grid.rank, address=master, port=os.environ["MASTER_PORT"]
            ),
            str(error).partition("\n")[0],
            _("check that the port is free on the first node and open to the others"),
        ) from error
    tensor = _own_group(grid.tensor_groups(), grid.rank)
    data = _own_group(grid.data_groups(), grid.rank)
    embedding = _own_group(grid.embedding_groups(), grid.rank)
    return Groups(tensor, data, embedding, _own_group(grid.pipeline_groups(), grid.rank))


def _own_group(members: List[List[int]], rank: int) -> Group:
    """Create all groups of a kind, on all ranks in the same order as torch demands; the one with `rank`."""
    own: Group = None
    for ranks in members:
        if len(ranks) == 1:
            continue
        group = dist.new_group(ranks, timeout=TIMEOUT)
        if rank in ranks:
            own = group
    return own
