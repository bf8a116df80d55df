"""Parameters that no training step moves: in the compute dtype alone, without gradient or fp32 copy."""

from __future__ import annotations

from typing import Dict

import torch
from torch import Tensor, nn


class FrozenParameters:
    """Gives every parameter of `module` that requires no gradient its memory, in `dtype` on `device`.

    `names`: theirs, in the order of the module. Values are undefined until `load`.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
        self._tensors: Dict[str, Tensor] = {}
        for name, parameter in list(module.named_parameters()):
            if parameter.requires_grad:
                continue
            owner_name, _dot, own_name = name.rpartition(".")
            values = torch.empty(parameter.shape, dtype=dtype, device=device)
            setattr(module.get_submodule(owner_name), own_name, nn.Parameter(values, requires_grad=False))
            self._tensors[name] = values
        self.names = list(self._tensors)

    def load(self, name: str, values: Tensor) -> None:
        """Set a parameter from a tensor of its shape, of any dtype and device."""
        self._tensors[name].copy_(values)

    def state(self) -> Dict[str, Tensor]:
        """Parameters by name, as a checkpoint holds them."""
        return dict(self._tensors)
