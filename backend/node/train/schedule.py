"""The learning rate of each iteration: a linear rise, then half a cosine down to the minimum."""

from __future__ import annotations

import math


def learning_rate(
    iteration: int, lr: float, min_lr: float, warmup_iterations: int, train_iterations: int
) -> float:
    """Rate of iteration 1 .. `train_iterations`.

    Megatron's curve (megatron/core/optimizer_param_scheduler.py), read at the iteration it prints: the last
    warm-up iteration has `lr`, the last of all has `min_lr`.
    """
    if warmup_iterations > 0 and iteration <= warmup_iterations:
        return lr * iteration / warmup_iterations
    if iteration >= train_iterations:
        return min_lr
    share = (iteration - warmup_iterations) / (train_iterations - warmup_iterations)
    return min_lr + (lr - min_lr) * (1.0 + math.cos(math.pi * share)) / 2.0
