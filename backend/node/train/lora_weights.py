"""The values that an adapted stage starts with: the frozen weights under its names, and the adapters'."""

from __future__ import annotations

import hashlib
import math
from typing import Dict, Iterator, Mapping, Tuple

import torch
from torch import Tensor, nn

from backend.node.train.grid import Grid
from backend.node.train.lora_agreement import check_adapter
from backend.node.train.lora_layers import AdaptedColumnParallel, AdaptedRowParallel
from backend.node.train.train_job import TrainJob
from backend.node.weights.lora import BASE, DOWN, UP

_LAYERS = "decoder.layers."


def with_adapter(
    stage: nn.Module, weights: Mapping[str, Tensor], job: TrainJob, grid: Grid
) -> Mapping[str, Tensor]:
    """`weights` for `stage`; where it has adapters and `weights` have none, with new ones.

    A new adapter changes nothing yet: A is PEFT's kaiming_uniform_(a=sqrt(5)), B is zero. A depends on the
    seed and the layer, not on the layout. Raises JobError when `weights` hold another adapter than the job's.
    """
    check_adapter(weights, job)
    if job.lora is None or any(name.endswith(DOWN) for name in weights):
        return weights
    return _WithNewAdapter(stage, weights, job, grid)


class _WithNewAdapter(Mapping[str, Tensor]):
    """Taken and made when they are asked for: `weights` may be read from a file each time."""

    def __init__(self, stage: nn.Module, weights: Mapping[str, Tensor], job: TrainJob, grid: Grid) -> None:
        self._weights = weights
        self._job = job
        self._grid = grid
        self._first_layer = sum(job.layers_per_stage[: grid.pp_rank])
        self._halves: Dict[str, Tuple[str, nn.Module]] = {}
        own_names = {name: name for name in weights}
        for path, module in stage.named_modules():
            if not isinstance(module, (AdaptedColumnParallel, AdaptedRowParallel)):
                continue
            for kind in (".weight", ".bias"):
                if path + kind in own_names:
                    own_names[path + BASE + kind] = own_names.pop(path + kind)
            self._halves.update({path + half: (path, module) for half in (DOWN, UP)})
        self._own_names = own_names

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._halves:
            return self._weights[self._own_names[name]]
        path, module = self._halves[name]
        weight = module.get_parameter("base_layer.weight")
        rank = self._rank
        if name.endswith(UP):
            return torch.zeros(weight.shape[0], rank)
        tp = self._grid.tp if isinstance(module, AdaptedRowParallel) else 1
        whole = _new_half(rank, weight.shape[1] * tp, self._job.seed, _whole(path, self._first_layer))
        return whole if tp == 1 else whole.chunk(tp, 1)[self._grid.tp_rank]

    def __contains__(self, name: object) -> bool:
        return name in self._halves or name in self._own_names

    def __iter__(self) -> Iterator[str]:
        return iter([*self._own_names, *self._halves])

    def __len__(self) -> int:
        return len(self._own_names) + len(self._halves)

    @property
    def _rank(self) -> int:
        assert self._job.lora is not None, "there is a new adapter"
        return self._job.lora.rank


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
