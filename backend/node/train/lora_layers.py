"""An adapter beside a linear layer: W x + alpha / rank * B (A x), with the frozen W as it is.

Tensor parallelism cuts it like the weight: beside a column-parallel layer the rows of B are spread and A is
whole on every rank, beside a row-parallel layer the columns of A are spread and B is whole. The whole half
gets a share of its gradient on each rank, because only the cut one knows its outputs or inputs; the shares
are added up once a step (`whole_halves`).
"""

from __future__ import annotations

from typing import Set, Union

import torch.nn.functional as F
from torch import Tensor, nn

from backend.node.train.parallel_layers import ColumnParallelLinear, RowParallelLinear, empty_parameter
from backend.node.train.train_job import Lora
from backend.node.weights.lora import DOWN, UP


class _Half(nn.Module):
    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = empty_parameter(outputs, inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


class _Adapter(nn.Module):
    """Both halves; their names and that of the layer are those of PEFT's modules, as in Megatron's files."""

    def __init__(self, base_layer: nn.Module, weight: Tensor, lora: Lora) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.base_layer = base_layer
        self.lora_A = nn.ModuleDict({"default": _Half(lora.rank, inputs)})
        self.lora_B = nn.ModuleDict({"default": _Half(outputs, lora.rank)})
        self._scale = lora.alpha / lora.rank

    def change(self, x: Tensor) -> Tensor:
        """[..., local inputs] -> [..., local outputs]; scaled where it is smallest."""
        narrow = self.lora_A["default"](x) * self._scale
        changed: Tensor = self.lora_B["default"](narrow)
        return changed


class AdaptedColumnParallel(_Adapter):
    """In place of a ColumnParallelLinear."""

    base_layer: ColumnParallelLinear

    def forward(self, x: Tensor) -> Tensor:
        base = self.base_layer
        x = base.enter(x)
        return F.linear(x, base.weight, base.bias) + self.change(x)


class AdaptedRowParallel(_Adapter):
    """In place of a RowParallelLinear: one sum over the ranks for the weight and the adapter together."""

    base_layer: RowParallelLinear

    def forward(self, x: Tensor) -> Tensor:
        base = self.base_layer
        return base.leave(F.linear(x, base.weight) + self.change(x))


def adapt(stage: nn.Module, lora: Lora) -> None:
    """Freeze all parameters of a stage and put adapters, without memory yet, on the layers of `lora`."""
    stage.requires_grad_(False)
    for name, module in list(stage.named_modules()):
        owner_name, _dot, own_name = name.rpartition(".")
        if own_name in lora.target_modules:
            setattr(stage.get_submodule(owner_name), own_name, _adapted(module, lora))


def whole_halves(stage: nn.Module) -> Set[str]:
    """Names of the parameters of adapters that every tensor parallel rank holds whole."""
    halves = {AdaptedColumnParallel: DOWN, AdaptedRowParallel: UP}
    return {
        name + half
        for name, module in stage.named_modules()
        for kind, half in halves.items()
        if isinstance(module, kind)
    }


def _adapted(layer: nn.Module, lora: Lora) -> Union[AdaptedColumnParallel, AdaptedRowParallel]:
    if isinstance(layer, ColumnParallelLinear):
        return AdaptedColumnParallel(layer, layer.weight, lora)
    assert isinstance(layer, RowParallelLinear), "LORA_TARGETS are linear layers"
    return AdaptedRowParallel(layer, layer.weight, lora)
