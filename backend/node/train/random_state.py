"""The state of this rank's random numbers, as a checkpoint holds it."""

from __future__ import annotations

from typing import Any, Dict, List

import torch

# Megatron's names; its checkpoints have a list with one entry too, and NPUs' numbers under the name of GPUs'.
_TORCH, _DEVICE = "torch_rng_state", "cuda_rng_state"


def random_state(device: torch.device) -> List[Dict[str, Any]]:
    """Tensors uint8 on the CPU."""
    state = {_TORCH: torch.get_rng_state()}
    if device.type != "cpu":
        state[_DEVICE] = getattr(torch, device.type).get_rng_state(device).cpu()
    return [state]


def set_random_state(saved: List[Dict[str, Any]], device: torch.device) -> None:
    """Go on with the numbers after `saved`; those of a device only where it is of the same kind."""
    torch.set_rng_state(saved[0][_TORCH].clone())
    if device.type != "cpu" and _DEVICE in saved[0]:
        getattr(torch, device.type).set_rng_state(saved[0][_DEVICE].clone(), device)
