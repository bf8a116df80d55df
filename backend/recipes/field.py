"""How a hyperparameter is declared: one call a field, from which form, flag, TOML, docs and checks come."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

WHAT, PARALLEL, BATCH, SCHEDULE, EVALUATION, LORA, OUTPUT, PATHS, ENGINE = (
    "what",
    "parallel",
    "batch",
    "schedule",
    "evaluation",
    "lora",
    "output",
    "paths",
    "engine",
)
GROUPS = (WHAT, PARALLEL, BATCH, SCHEDULE, EVALUATION, LORA, OUTPUT, PATHS, ENGINE)


@dataclass(frozen=True, slots=True)
class Field:
    """The declaration of one hyperparameter.

    `name` is the standard name (attribute, TOML key, `--name-with-dashes`), `guide_name` the variable of the
    guide's scripts ("" where it has none), `kind` one of str, int, float, bool, path, choice, ints, floats,
    names (several of `choices`). `minimum` is inclusive. `group` orders the form; `advanced` ones are folded.
    """

    name: str
    guide_name: str
    kind: str
    default: Any
    required: bool
    unit: str
    help: str
    group: str
    choices: tuple[str, ...]
    minimum: float | None
    advanced: bool


def declare(
    guide_name: str,
    kind: str,
    help: str,
    group: str,
    *,
    default: Any = None,
    required: bool = False,
    unit: str = "",
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    advanced: bool = False,
) -> Any:
    """A dataclass field that carries its declaration as metadata."""
    declaration = {
        "guide_name": guide_name,
        "kind": kind,
        "help": help,
        "group": group,
        "required": required,
        "unit": unit,
        "choices": choices,
        "minimum": minimum,
        "advanced": advanced,
    }
    return dataclasses.field(default=default, metadata={"declaration": declaration})


def declared_fields(owner: type) -> tuple[Field, ...]:
    """The declarations of a dataclass, in order; fields without one are left out."""
    return tuple(
        Field(name=field.name, default=field.default, **field.metadata["declaration"])
        for field in dataclasses.fields(owner)
        if "declaration" in field.metadata
    )
