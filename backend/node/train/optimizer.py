"""AdamW over flat buffers, with the gradient norm clipped over all ranks.

torch.optim is not used: its first step imports the compiler, which costs seconds on every rank.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List

import torch
from torch import Tensor

from backend.node.train.flat_parameters import FlatParameters

# As the pretraining scripts of ModelLink have them.
BETA1, BETA2, EPS = 0.9, 0.95, 1e-8


class AdamW:
    """Moments of every parameter (fp32, as long as the buffers) and the number of steps taken."""

    def __init__(self, parameters: FlatParameters, weight_decay: float) -> None:
        self.parameters = parameters
        self.weight_decay = weight_decay
        self.steps = 0
        self.first = torch.zeros_like(parameters.master)
        self.second = torch.zeros_like(parameters.master)

    def step(self, lr: float, scale: float) -> None:
        """One update with the gradients times `scale`; leaves them zero. Norms and biases do not decay."""
        self.steps += 1
        gradient = self.parameters.gradient
        if scale != 1.0:
            gradient.mul_(scale)
        self.first.lerp_(gradient, 1.0 - BETA1)
        self.second.mul_(BETA2).addcmul_(gradient, gradient, value=1.0 - BETA2)
        for decayed, run in self.parameters.runs():
            if decayed:
                self.parameters.master[run].mul_(1.0 - lr * self.weight_decay)
        # The gradients are spent: their buffer holds the denominator, and is zeroed after.
        torch.sqrt(self.second, out=gradient)
        gradient.mul_(1.0 / math.sqrt(1.0 - BETA2**self.steps)).add_(EPS)
        self.parameters.master.addcdiv_(self.first, gradient, value=-lr / (1.0 - BETA1**self.steps))
        gradient.zero_()
        self.parameters.publish()

    def state(self) -> Dict[str, Any]:
        """What a checkpoint holds besides the model: builtin values and flat fp32 tensors."""
        state: Dict[str, Any] = {
            "steps": self.steps,
            "layout": [list(entry) for entry in self.parameters.layout()],
            "exp_avg": self.first,
            "exp_avg_sq": self.second,
        }
        if self.parameters.compute is not self.parameters.master:
            state["master"] = self.parameters.master
        return state

    def load(self, state: Dict[str, Any]) -> bool:
        """Take over a saved state; False, and nothing changed, when it belongs to other parameters."""
        layout: List[List[Any]] = [list(entry) for entry in self.parameters.layout()]
        needs_master = self.parameters.compute is not self.parameters.master
        if state.get("layout") != layout or ("master" in state) != needs_master:
            return False
        self.steps = int(state["steps"])
        self.first.copy_(state["exp_avg"])
        self.second.copy_(state["exp_avg_sq"])
        if needs_master:
            self.parameters.master.copy_(state["master"])
        return True


def clip_scale(norm: float, clip_grad: float) -> float:
    """What gradients of this norm are multiplied by; `clip_grad` 0 means no clipping."""
    if clip_grad <= 0.0 or norm <= clip_grad:
        return 1.0
    return clip_grad / (norm + 1e-6)


def norm_and_loss(parameters: FlatParameters, loss: Tensor, counts: bool) -> Tensor:
    """fp32 [2] to be added up over all ranks: squared gradient norm, loss.

    `counts` is true on one data parallel rank, because all of them have the same gradients by now.
    """
    square = parameters.counted_square()
    return torch.stack((square if counts else torch.zeros_like(square), loss))
