"""The values that an adapted stage starts with: the frozen weights under its names, and the adapters'."""

from __future__ import annotations

import hashlib
import math
from gettext import gettext as _
from typing import Dict, List, Mapping, Tuple

import torch
from torch import Tensor, nn

from backend.node.job_lines import JobError
from backend.node.train.grid import Grid
from backend.node.train.lora_layers import AdaptedColumnParallel, AdaptedRowParallel
from backend.node.train.train_job import Lora, TrainJob
from backend.node.weights.lora import BASE, DOWN, UP

_LAYERS = "decoder.layers."


def with_adapter(
    stage: nn.Module, weights: Mapping[str, Tensor], job: TrainJob, grid: Grid
) -> Mapping[str, Tensor]:
    """`weights` for `stage`; where it has adapters and `weights` have none, with new ones.

    A new adapter changes nothing yet: A is PEFT's kaiming_uniform_(a=sqrt(5)), B is zero. A depends on the
    seed and the layer, not on the layout. Raises JobError when `weights` hold another adapter than the job's.
    """
    _check_adapter(weights, job)
    if job.lora is None or any(name.endswith(DOWN) for name in weights):
        return weights
    found = dict(weights)
    first_layer = sum(job.layers_per_stage[: grid.pp_rank])
    for path, module in stage.named_modules():
        if not isinstance(module, (AdaptedColumnParallel, AdaptedRowParallel)):
            continue
        for kind in (".weight", ".bias"):
            if path + kind in found:
                found[path + BASE + kind] = found.pop(path + kind)
        is_cut = isinstance(module, AdaptedRowParallel)
        width = module.base_layer.weight.shape[1] * (grid.tp if is_cut else 1)
        whole = _new_half(job.lora.rank, width, job.seed, _whole(path, first_layer))
        found[path + DOWN] = whole.chunk(grid.tp, 1)[grid.tp_rank] if is_cut else whole
        found[path + UP] = torch.zeros(module.base_layer.weight.shape[0], job.lora.rank)
    return found


def adapter_args(lora: Lora) -> Dict[str, object]:
    """The arguments of a checkpoint that describe its adapter, by ModelLink's names."""
    alpha = int(lora.alpha) if lora.alpha.is_integer() else lora.alpha
    return {
        "lora_target_modules": sorted(lora.target_modules),
        "lora_load": None,
        "lora_r": lora.rank,
        "lora_alpha": alpha,
        "lora_modules_to_save": None,
    }


def check_alpha(args: Mapping[str, object], job: TrainJob) -> None:
    """See that an adapter goes on with the alpha in the arguments of its checkpoint. Raises JobError."""
    said = args.get("lora_alpha")
    if job.lora is not None and isinstance(said, (int, float)) and said != job.lora.alpha:
        raise _other("lora.alpha", _("alpha {found:g}").format(found=said), f"{job.lora.alpha:g}")


def _new_half(rank: int, width: int, seed: int, name: str) -> Tensor:
    """A [rank, inputs of all tensor parallel ranks], fp32."""
    # kaiming_uniform_ with a = sqrt(5): sqrt(3) * sqrt(2 / (1 + 5)) / sqrt(width).
    bound = 1.0 / math.sqrt(width)
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    chance = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    return torch.empty(rank, width).uniform_(-bound, bound, generator=chance)


def _whole(path: str, first_layer: int) -> str:
    """The path of a module in the whole model: layers are counted over all stages."""
    number, _dot, rest = path[len(_LAYERS) :].partition(".")
    return f"{_LAYERS}{first_layer + int(number)}.{rest}"


def _check_adapter(weights: Mapping[str, Tensor], job: TrainJob) -> None:
    halves: List[Tuple[str, Tensor]] = [(name, half) for name, half in weights.items() if name.endswith(DOWN)]
    if not halves:
        return
    if job.lora is None:
        raise JobError(
            "lora",
            _("the weights hold a LoRA adapter"),
            _("the job trains all weights"),
            _("merge the adapter first: npudeck weights merge-lora"),
        )
    targets = {name[: -len(DOWN)].rpartition(".")[2] for name, _half in halves}
    if targets != set(job.lora.target_modules):
        raise _other(
            "lora.target_modules", ", ".join(sorted(targets)), ", ".join(sorted(job.lora.target_modules))
        )
    ranks = {half.shape[0] for _name, half in halves}
    if ranks != {job.lora.rank}:
        raise _other("lora.rank", _("rank {found}").format(found=max(ranks)), str(job.lora.rank))


def _other(field: str, found: str, wanted: str) -> JobError:
    return JobError(
        field,
        _("the adapter has {found}, the job says {wanted}").format(found=found, wanted=wanted),
        _("a training goes on with the adapter that it began"),
        _("say what the adapter has, or save to another directory"),
    )
