"""A recipe as TOML: standard names, the guide's name behind each, grouped by headings."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from backend.catalog.model import Architecture
from backend.recipes.field import GROUPS, Field
from backend.recipes.fields import FIELDS, Recipe
from backend.recipes.numbers import number_text

# what somebody who opens the file expects to find in it, default or not
_ALWAYS = frozenset(
    {
        "run_type",
        "data_type",
        "tensor_parallel",
        "pipeline_parallel",
        "nodes",
        "npus_per_node",
        "micro_batch_size",
        "global_batch_size",
        "seq_length",
        "engine",
    }
)


def recipe_to_toml(recipe: Recipe, everything: bool = False) -> str:
    """The recipe's text: required fields, those of the layout and those that differ from their default.

    `everything` writes the rest too. Fields that are not given are left out: TOML has no null.
    """
    blocks = []
    for group in GROUPS:
        lines = [
            _line(field, getattr(recipe, field.name))
            for field in FIELDS
            if field.group == group and _is_written(field, getattr(recipe, field.name), everything)
        ]
        if lines:
            blocks.append("\n".join([f"# {group}", *lines]))
    if recipe.architecture is not None:
        blocks.append(_architecture(recipe.architecture))
    return "\n\n".join(blocks) + "\n"


def _is_written(field: Field, value: Any, everything: bool) -> bool:
    if value is None:
        return False
    return everything or field.required or field.name in _ALWAYS or value != field.default


def _line(field: Field, value: Any) -> str:
    line = f"{field.name} = {toml_value(value)}"
    return f"{line}  # {field.guide_name}" if field.guide_name else line


def _architecture(architecture: Architecture) -> str:
    lines = [f"{name} = {toml_value(value)}" for name, value in dataclasses.asdict(architecture).items()]
    return "\n".join(["[architecture]", *lines])


def toml_value(value: Any) -> str:
    """A string, number, bool or list of them as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = number_text(value)
        return text if any(mark in text for mark in ".einf") else text + ".0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    # JSON's escapes are TOML's too, but JSON leaves DEL as it is
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
