"""What a rank trains, in a few long buffers: one all-reduce, one norm, one optimizer step for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Tuple

import torch
from torch import Tensor, nn

_ALIGNMENT = 128  # elements: 512 bytes in fp32, what accelerators like best


@dataclass(frozen=True)
class Traits:
    """How a parameter is treated. `counted`: this rank's copy goes into the gradient norm. `shared`: each
    tensor parallel rank has the whole of it and finds a share of its gradient, to be added up over them."""

    decayed: bool
    counted: bool
    shared: bool = False


class FlatParameters:
    """Buffers of length N on `device`: `master` (fp32), `compute` (`dtype`; the same as master in fp32) and
    `gradient` (fp32). The parameters in `traits` become views of `compute`; autograd adds into `gradient`.

    `places`: name -> (start, count), in order; the gaps between are zero and stay so.
    """

    def __init__(
        self, module: nn.Module, traits: Dict[str, Traits], dtype: torch.dtype, device: torch.device
    ) -> None:
        named = {name: parameter for name, parameter in module.named_parameters() if name in traits}
        # Ranks that reduce a stretch together agree on its order: `counted` differs between them.
        order = sorted(
            named, key=lambda name: (traits[name].decayed, traits[name].shared, traits[name].counted)
        )
        self.places: Dict[str, Tuple[int, int]] = {}
        self._runs: Dict[Traits, Tuple[int, int]] = {}
        end = 0
        for name in order:
            self.places[name] = (end, named[name].numel())
            start = self._runs.get(traits[name], (end, end))[0]
            end += -(-named[name].numel() // _ALIGNMENT) * _ALIGNMENT
            self._runs[traits[name]] = (start, end)
        self.master = torch.zeros(end, dtype=torch.float32, device=device)
        self.compute = self.master if dtype == torch.float32 else self.master.to(dtype)
        self.gradient = torch.zeros(end, dtype=torch.float32, device=device)
        self._shapes = {name: parameter.shape for name, parameter in named.items()}
        for name in order:
            self._adopt(module, name)

    def shape(self, name: str) -> Tuple[int, ...]:
        return tuple(self._shapes[name])

    def view(self, buffer: Tensor, name: str) -> Tensor:
        """The part of one of the buffers that belongs to a parameter, in its shape."""
        start, count = self.places[name]
        return buffer[start : start + count].view(self._shapes[name])

    def load(self, name: str, values: Tensor) -> None:
        """Set a parameter from a tensor of its shape, of any dtype and device."""
        self.view(self.master, name).copy_(values)
        if self.compute is not self.master:
            self.view(self.compute, name).copy_(values)

    def publish(self) -> None:
        """After an optimizer step: round the master copy into the parameters."""
        if self.compute is not self.master:
            self.compute.copy_(self.master)

    def state(self) -> Dict[str, Tensor]:
        """Parameters by name, in the compute dtype, as a checkpoint holds them."""
        return {name: self.view(self.compute, name) for name in self.places}

    def runs(self) -> Iterator[Tuple[bool, slice]]:
        """The stretches of the buffers with equal weight decay: (decayed, slice)."""
        for decayed in (False, True):
            places = [place for traits, place in self._runs.items() if traits.decayed is decayed]
            if places:
                yield decayed, slice(min(start for start, _end in places), max(end for _start, end in places))

    def shared_gradients(self) -> List[Tensor]:
        """Stretches of `gradient` that are to be added up over the tensor parallel ranks; same on all."""
        return [self.gradient[start:end] for traits, (start, end) in self._runs.items() if traits.shared]

    def counted_square(self) -> Tensor:
        """Sum of the squares of the counted gradients: fp32 scalar."""
        total = torch.zeros((), dtype=torch.float32, device=self.gradient.device)
        for traits, (start, end) in self._runs.items():
            if traits.counted:
                part = self.gradient[start:end]
                total += torch.dot(part, part)
        return total

    def layout(self) -> List[Tuple[str, int, int]]:
        """Names, starts and counts: what saved optimizer buffers must agree with."""
        return [(name, start, count) for name, (start, count) in self.places.items()]

    def _adopt(self, module: nn.Module, name: str) -> None:
        """Replace a parameter by a view of the compute buffer; its gradient lands in the gradient buffer."""
        owner_name, _dot, own_name = name.rpartition(".")
        parameter = nn.Parameter(self.view(self.compute, name))
        setattr(module.get_submodule(owner_name), own_name, parameter)
        gradient = self.view(self.gradient, name)
        if parameter.dtype == torch.float32:
            parameter.grad = gradient
            return

        def add_in_fp32(used: Tensor) -> None:
            assert used.grad is not None, "called after a gradient was accumulated"
            gradient.add_(used.grad)
            used.grad = None

        parameter.register_post_accumulate_grad_hook(add_in_fp32)
