"""A model of the same family in a size that any machine trains: for trying out a recipe, not for learning."""

from __future__ import annotations

import dataclasses

from backend.catalog.model import Architecture

SCALES = ("tiny",)
# divisible by TP 2 and PP 4; grouped queries where the original has them
_LAYERS, _HEADS, _GROUPS, _HEAD_DIM, _FFN = 4, 4, 2, 16, 128


def scaled(architecture: Architecture, scale: str) -> Architecture:
    """`architecture` in one of SCALES: the form of its family, its vocabulary and its longest sequence stay.

    128 values for each entry of the vocabulary and some 160 thousand others, in float32. Raises `ValueError`.
    """
    if scale not in SCALES:
        raise ValueError(scale)
    grouped = architecture.kv_heads < architecture.heads
    return dataclasses.replace(
        architecture,
        layers=_LAYERS,
        hidden=_HEADS * _HEAD_DIM,
        heads=_HEADS,
        kv_heads=_GROUPS if grouped else _HEADS,
        head_dim=_HEAD_DIM,
        ffn=_FFN,
        hf_dtype="float32",
    )
