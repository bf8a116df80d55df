"""The mapping tables of all families, by the family's name in the catalog."""

from __future__ import annotations

from typing import Dict

from backend.node.weights.families.glm import GLM
from backend.node.weights.families.llama import LLAMA
from backend.node.weights.families.mapping import Family
from backend.node.weights.families.packed import BAICHUAN, QWEN

FAMILIES: Dict[str, Family] = {
    "llama2": LLAMA,
    "llama3": LLAMA,
    "yi": LLAMA,
    "qwen": QWEN,
    "qwen1.5": LLAMA,
    "qwen2": LLAMA,
    "chatglm3": GLM,
    "glm4": GLM,
    "baichuan2": BAICHUAN,
}


# Qwen 2 and GLM 4 came to the trainer of the guide's time in the new format only.
_ONLY_MCORE = ("qwen2", "glm4")


def default_format(family: str) -> str:
    """The tree format that the scripts of the guide's time use for the family."""
    return "mcore" if family in _ONLY_MCORE else "legacy"
