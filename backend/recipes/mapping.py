"""Data as TOML or JSON gives it, turned into a recipe, with every problem said at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from backend.problems import Problem, Severity
from backend.recipes.architecture_mapping import architecture_from_mapping
from backend.recipes.field import Field
from backend.recipes.fields import FIELDS, Recipe
from backend.recipes.values import nearest, typed_value
from backend.translation import _

ARCHITECTURE = "architecture"
BY_ANY_NAME: dict[str, Field] = {field.name: field for field in FIELDS} | {
    field.guide_name: field for field in FIELDS if field.guide_name
}


def field_named(name: str) -> Field | None:
    """The field of a standard name (dashes allowed) or of one of the guide's variables."""
    return BY_ANY_NAME.get(name) or BY_ANY_NAME.get(name.replace("-", "_"))


def unknown_name(name: str) -> Problem:
    """The problem of a key that is no hyperparameter, with the nearest names."""
    near = nearest(name, (*BY_ANY_NAME, ARCHITECTURE))
    return Problem(
        field=name,
        severity=Severity.ERROR,
        what=_("no hyperparameter is called {name!r}").format(name=name),
        fix=_("did you mean {names}?").format(names=_(" or ").join(near)) if near else _("remove it"),
        suggestion=near[0] if near else "",
    )


def recipe_from_mapping(raw: Mapping[str, object]) -> tuple[Recipe, tuple[Problem, ...]]:
    """A recipe from keys under their standard or their guide's names.

    Every key that is unknown, has the wrong type or breaks its own limit is one problem; the valid ones are
    kept, the others stay at their defaults. Rules between fields are in `rules.py`.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    written: dict[str, str] = {}
    for key, item in raw.items():
        if key == ARCHITECTURE:
            values[ARCHITECTURE], found = architecture_from_mapping(item)
            problems.extend(found)
            continue
        field = field_named(key)
        if field is None:
            problems.append(unknown_name(key))
            continue
        if field.name in written:
            problems.append(_given_twice(field, written[field.name], key))
            continue
        written[field.name] = key
        value, found = typed_value(field, item)
        problems.extend(found)
        if not found:
            values[field.name] = value
    return Recipe(**values), tuple(problems)


def recipe_to_mapping(recipe: Recipe) -> dict[str, Any]:
    """Standard names to values, as JSON and TOML can hold them; the inverse of `recipe_from_mapping`."""
    mapping = {field.name: _plain(getattr(recipe, field.name)) for field in FIELDS}
    if recipe.architecture is not None:
        mapping[ARCHITECTURE] = dataclasses.asdict(recipe.architecture)
    return mapping


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _given_twice(field: Field, first: str, second: str) -> Problem:
    return Problem(
        field=field.name,
        severity=Severity.ERROR,
        what=_("{first} and {second} are both given").format(first=first, second=second),
        why=_("they are two names of one hyperparameter"),
        fix=_("remove one of them"),
    )
