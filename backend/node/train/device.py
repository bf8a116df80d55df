"""What this rank computes on, and the library that its collectives go through."""

from __future__ import annotations

from dataclasses import dataclass
from gettext import gettext as _

import torch

from backend.node.job_lines import JobError


@dataclass(frozen=True)
class Accelerator:
    """`backend` is torch.distributed's name: hccl on NPUs, nccl on GPUs, gloo on CPUs."""

    device: torch.device
    backend: str


def choose_device(wanted: str, local_rank: int, ranks_on_node: int) -> Accelerator:
    """The device of a local rank: `wanted` is npu, cuda or cpu. Raises JobError.

    Nothing replaces what is wanted: falling back to the CPU would look like a run that works, and be a
    thousand times too slow.
    """
    if wanted == "npu":
        return _npu(local_rank, ranks_on_node)
    if wanted == "cuda":
        _check_count(torch.cuda.device_count(), ranks_on_node)
        torch.cuda.set_device(local_rank)
        return Accelerator(torch.device("cuda", local_rank), "nccl")
    return Accelerator(torch.device("cpu"), "gloo")


def _npu(local_rank: int, ranks_on_node: int) -> Accelerator:
    try:
        import torch_npu
    except Exception as error:
        raise JobError(
            "npus_per_node",
            _("torch_npu does not import on this node"),
            str(error).partition("\n")[0],
            _("install it and source CANN's set_env.sh; torch and torch_npu must have the same version")
            + "; "
            + _('for a rehearsal without NPUs say device = "cpu" in the inventory'),
        ) from error
    _check_count(torch_npu.npu.device_count(), ranks_on_node)
    torch_npu.npu.set_device(local_rank)
    return Accelerator(torch.device("npu", local_rank), "hccl")


def _check_count(present: int, wanted: int) -> None:
    if present < wanted:
        raise JobError(
            "npus_per_node",
            _("devices on this node: {present} visible, {wanted} needed").format(
                wanted=wanted, present=present
            ),
            _("each rank needs a device of its own"),
        )
