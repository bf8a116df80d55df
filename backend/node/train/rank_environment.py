"""Which rank this process is, as the launcher or torchrun says it in the environment."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Tuple

from backend.node.job_lines import JobError
from backend.node.train.train_job import TrainJob


def read_ranks(job: TrainJob) -> Tuple[int, int]:
    """RANK and LOCAL_RANK. Raises JobError when they, WORLD_SIZE, or where the ranks meet are not said, or
    do not fit the job."""
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if not os.environ.get(name):
            raise _wrong(name, "", _("the ranks find one another by it"))
    rank, local_rank, world_size = map(_number, ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    if world_size != job.world_size:
        sizes = (job.tensor_parallel, job.pipeline_parallel, job.data_parallel)
        raise JobError(
            "data_parallel",
            _("TP x PP x DP = {product}, but {present} ranks are started").format(
                product=" x ".join(map(str, sizes)), present=world_size
            ),
            _("each rank has one place in the layout"),
            _("start {wanted} ranks, or change the layout").format(wanted=job.world_size),
        )
    if rank >= world_size:
        raise _wrong("RANK", str(rank), _("there are {count} ranks").format(count=world_size))
    if local_rank >= job.npus_per_node:
        why = _("the job has {count} ranks on a node").format(count=job.npus_per_node)
        raise _wrong("LOCAL_RANK", str(local_rank), why)
    return rank, local_rank


def _number(name: str) -> int:
    value = os.environ.get(name, "")
    if not (value.isascii() and value.isdecimal()):
        raise _wrong(name, value, _("it must be a whole number"))
    return int(value)


def _wrong(name: str, value: str, why: str) -> JobError:
    return JobError(
        name,
        _("{name} is {value!r} in the environment").format(name=name, value=value),
        why,
        _("start the ranks with npudeck or torchrun, which set it"),
    )
