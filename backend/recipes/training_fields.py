"""Hyperparameters of the training itself: schedule, optimizer, validation, adapter.

As in `fields.py`, which says what the names are.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.recipes.choices import DECAY_STYLES, LORA_TARGETS
from backend.recipes.field import EVALUATION, LORA, SCHEDULE, declare
from backend.translation import _


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFields:
    """The part of a recipe that says how long, how fast and of what is learnt."""

    lr: float = declare("LR", "float", _("learning rate"), SCHEDULE, default=2.5e-5, minimum=0.0)
    min_lr: float = declare(
        "MIN_LR", "float", _("learning rate at the end of the decay"), SCHEDULE, default=2.5e-6, minimum=0.0
    )
    samples: int | None = declare(
        "SN", "int", _("samples in the data set"), SCHEDULE, minimum=1, unit="samples"
    )
    epochs: int = declare("EPOCH", "int", _("passes over the data set"), SCHEDULE, default=5, minimum=1)
    train_iterations: int | None = declare(
        "TRAIN_ITERS",
        "int",
        _("iterations; (SN // GBS) · EPOCH when not given"),
        SCHEDULE,
        minimum=1,
        unit="iterations",
    )
    warmup_fraction: float = declare(
        "",
        "float",
        _("share of the iterations in which the learning rate rises"),
        SCHEDULE,
        default=0.01,
        minimum=0.0,
        advanced=True,
    )
    lr_decay_style: str = declare(
        "",
        "choice",
        _("how the learning rate comes down to its end"),
        SCHEDULE,
        default="cosine",
        choices=DECAY_STYLES,
        advanced=True,
    )
    weight_decay: float = declare(
        "", "float", _("weight decay of AdamW"), SCHEDULE, default=0.1, minimum=0.0, advanced=True
    )
    adam_beta1: float = declare(
        "",
        "float",
        _("AdamW: decay of the mean of gradients"),
        SCHEDULE,
        default=0.9,
        minimum=0.0,
        advanced=True,
    )
    adam_beta2: float = declare(
        "",
        "float",
        _("AdamW: decay of the mean of squared gradients"),
        SCHEDULE,
        default=0.95,
        minimum=0.0,
        advanced=True,
    )
    adam_eps: float = declare(
        "",
        "float",
        _("AdamW: what is added to the root that is divided by"),
        SCHEDULE,
        default=1e-8,
        minimum=0.0,
        advanced=True,
    )
    clip_grad: float = declare(
        "",
        "float",
        _("gradient norm above which gradients are scaled down"),
        SCHEDULE,
        default=1.0,
        minimum=0.0,
        advanced=True,
    )
    seed: int = declare(
        "SEED",
        "int",
        _("seed of data order and of new weights"),
        SCHEDULE,
        default=1234,
        minimum=0,
        advanced=True,
    )

    split: tuple[float, ...] = declare(
        "",
        "floats",
        _("shares of the documents for training, validation and test"),
        EVALUATION,
        default=(100.0, 0.0, 0.0),
        minimum=0.0,
        advanced=True,
    )
    eval_interval: int = declare(
        "",
        "int",
        _("iterations between validations; 0 for none"),
        EVALUATION,
        default=0,
        minimum=0,
        unit="iterations",
        advanced=True,
    )
    eval_iterations: int = declare(
        "",
        "int",
        _("iterations of one validation"),
        EVALUATION,
        default=10,
        minimum=1,
        unit="iterations",
        advanced=True,
    )

    lora_rank: int = declare("", "int", _("LoRA rank r"), LORA, default=16, minimum=1, advanced=True)
    lora_alpha: int = declare("", "int", _("LoRA alpha"), LORA, default=32, minimum=1, advanced=True)
    lora_target_modules: tuple[str, ...] = declare(
        "",
        "names",
        _("layers that the adapter changes"),
        LORA,
        default=LORA_TARGETS,
        choices=LORA_TARGETS,
        advanced=True,
    )
