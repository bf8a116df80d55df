"""One forward, one backward: the pipeline schedule of an iteration, with tensors sent between neighbours.

torch.distributed.pipelining is not used: it imports the compiler, which doubles the start-up of every rank,
and its scaling of gradients differs between releases.
"""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

import torch
import torch.distributed as dist
from torch import Tensor

from backend.node.train.grid import Grid

Forward = Callable[[Optional[Tensor], int], Tensor]


class Pipeline:
    """Runs the micro batches of one iteration through all stages; leaves gradients in the parameters.

    `shape` and `dtype` are those of the hidden states of one micro batch, [batch, seq, hidden].
    `forward(x, m)` computes micro batch m from the states of the stage before (None on the first stage): the
    states for the next stage, or on the last stage the loss (scalar) that is differentiated.
    """

    def __init__(
        self,
        grid: Grid,
        forward: Forward,
        shape: Tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._grid = grid
        self._forward = forward
        self._shape = shape
        self._dtype = dtype
        self._device = device
        self._waiting: List[Tuple[Optional[Tensor], Tensor]] = []

    def run(self, num_micro_batches: int) -> Tensor:
        """All micro batches, forward and backward; the sum of their losses (0 before the last stage).

        A stage runs ahead by as many forwards as stages follow it, or by all of them when there are fewer.
        """
        ahead = min(num_micro_batches, self._grid.pp - 1 - self._grid.pp_rank)
        steady = num_micro_batches - ahead
        total = torch.zeros((), dtype=torch.float32, device=self._device)
        for number in range(ahead):
            self._exchange(forward=self._compute(self._receive_forward(), number, total))
        states = self._receive_forward() if steady else None
        for step in range(steady):
            output = self._compute(states, ahead + step, total)
            slope = self._exchange(forward=output, wants_backward=True)[1]
            gradient = self._differentiate(slope)
            states = self._exchange(backward=gradient, wants_forward=step < steady - 1)[0]
        for _number in range(ahead):
            slope = self._exchange(wants_backward=True)[1]
            self._exchange(backward=self._differentiate(slope))
        return total

    def _compute(self, states: Optional[Tensor], number: int, total: Tensor) -> Tensor:
        output = self._forward(states, number)
        self._waiting.append((states, output))
        if self._grid.is_last_stage:
            total += output.detach()
        return output

    def _differentiate(self, slope: Optional[Tensor]) -> Optional[Tensor]:
        """Backward of the oldest micro batch that waits; the gradient of its input states."""
        states, output = self._waiting.pop(0)
        torch.autograd.backward(output, slope)
        return None if states is None else states.grad

    def _receive_forward(self) -> Optional[Tensor]:
        return self._exchange(wants_forward=True)[0]

    def _exchange(
        self,
        forward: Optional[Tensor] = None,
        backward: Optional[Tensor] = None,
        wants_forward: bool = False,
        wants_backward: bool = False,
    ) -> Tuple[Optional[Tensor], Optional[Tensor]]:
        """Send and receive with both neighbours at once, so that two that send to each other never wait for
        each other. Answers (states from before, gradients from after); at the ends nothing moves."""
        grid = self._grid
        first, last = grid.is_first_stage, grid.is_last_stage
        states = slope = None
        moves: List[dist.P2POp] = []
        if forward is not None and not last:
            moves.append(dist.P2POp(dist.isend, forward.detach().contiguous(), grid.next_stage))
        if wants_backward and not last:
            slope = self._blank()
            moves.append(dist.P2POp(dist.irecv, slope, grid.next_stage))
        if backward is not None and not first:
            moves.append(dist.P2POp(dist.isend, backward.contiguous(), grid.previous_stage))
        if wants_forward and not first:
            states = self._blank()
            moves.append(dist.P2POp(dist.irecv, states, grid.previous_stage))
        if moves:
            for work in dist.batch_isend_irecv(moves):
                work.wait()
        if states is not None:
            states.requires_grad_()
        return states, slope

    def _blank(self) -> Tensor:
        return torch.empty(self._shape, dtype=self._dtype, device=self._device)
