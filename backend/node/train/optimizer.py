"""AdamW over flat buffers, with the gradient norm clipped over all ranks."""

from __future__ import annotations

import copy
from typing import Any, Dict, List

import torch
from torch import Tensor, nn

from backend.node.train.flat_parameters import FlatParameters
from backend.node.train.train_job import TrainJob

_FUSED = ("cpu", "cuda")  # devices for which torch itself brings the fused kernel, from 2.4 on


class FlatAdamW:
    """torch's AdamW on the fp32 buffers: one long parameter that decays (matrices), one that does not."""

    def __init__(self, parameters: FlatParameters, job: TrainJob) -> None:
        self._parameters = parameters
        groups: List[Dict[str, Any]] = []
        for decayed, run in parameters.runs():
            flat = nn.Parameter(parameters.master[run])
            flat.grad = parameters.gradient[run]
            groups.append({"params": [flat], "weight_decay": job.weight_decay if decayed else 0.0})
        # One pass over the buffers instead of a dozen: seven times as fast on a CPU. None: as torch chooses.
        fused = True if parameters.master.device.type in _FUSED else None
        betas = (job.adam_beta1, job.adam_beta2)
        self._adam = torch.optim.AdamW(groups, betas=betas, eps=job.adam_eps, fused=fused)

    def step(self, lr: float, scale: float) -> None:
        """One update with the gradients times `scale`; leaves them zero."""
        if scale != 1.0:
            self._parameters.gradient.mul_(scale)
        for group in self._adam.param_groups:
            group["lr"] = lr
        self._adam.step()
        # Not zero_grad: it would let go of the buffer.
        self._parameters.gradient.zero_()
        self._parameters.publish()

    def state(self) -> Dict[str, Any]:
        """What a checkpoint holds besides the model: builtin values and flat fp32 tensors."""
        state: Dict[str, Any] = {
            "layout": [list(entry) for entry in self._parameters.layout()],
            "adam": self._adam.state_dict()["state"],
        }
        if self._parameters.compute is not self._parameters.master:
            state["master"] = self._parameters.master
        return state

    def load(self, state: Dict[str, Any]) -> bool:
        """Take over a saved state; False, and nothing changed, when it belongs to other parameters.

        Learning rate and decay are those of this run, not of the saved one.
        """
        layout: List[List[Any]] = [list(entry) for entry in self._parameters.layout()]
        needs_master = self._parameters.compute is not self._parameters.master
        if state.get("layout") != layout or ("master" in state) != needs_master:
            return False
        # torch keeps the tensors that it is given, and these may be pages of the checkpoint's file.
        saved = copy.deepcopy(state["adam"])
        self._adam.load_state_dict(dict(self._adam.state_dict(), state=saved))
        if needs_master:
            self._parameters.master.copy_(state["master"])
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
