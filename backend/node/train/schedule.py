"""The learning rate of each iteration: a linear rise, then a way down to the minimum, or none."""

from __future__ import annotations

import math

from backend.node.train.train_job import TrainJob


def learning_rate(iteration: int, job: TrainJob) -> float:
    """Rate of iteration 1 .. `train_iterations`.

    Megatron's curves (megatron/core/optimizer_param_scheduler.py: cosine, linear, constant), read at the
    iteration that prints them: the last warm-up iteration has `lr`, the last of all has `min_lr`, or `lr`
    where it is constant.
    """
    warmup = job.warmup_iterations
    if warmup > 0 and iteration <= warmup:
        return job.lr * iteration / warmup
    if job.lr_decay_style == "constant":
        return job.lr
    if iteration >= job.train_iterations:
        return job.min_lr
    share = (iteration - warmup) / (job.train_iterations - warmup)
    left = 1.0 - share if job.lr_decay_style == "linear" else (math.cos(math.pi * share) + 1.0) / 2.0
    return job.min_lr + left * (job.lr - job.min_lr)
