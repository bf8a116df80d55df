"""`--set NAME=VALUE`: hyperparameters given one by one as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from backend.problems import InputError, Problem, Severity
from backend.recipes.fields import Recipe
from backend.recipes.mapping import field_named, unknown_name
from backend.recipes.values import parse_value
from backend.translation import _


def with_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with these "name=value"; a later one wins. Raises `InputError` with every problem."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for setting in settings:
        name, equals, text = setting.partition("=")
        field = field_named(name.strip())
        if not equals:
            what = _("{setting!r} is no NAME=VALUE").format(setting=setting)
            problems.append(Problem(name, Severity.ERROR, what, fix=_("write it as in TP=8")))
        elif field is None:
            problems.append(unknown_name(name.strip()))
        else:
            try:
                values[field.name] = parse_value(field, text)
            except InputError as error:
                problems.extend(error.problems)
    if problems:
        raise InputError(*problems)
    return dataclasses.replace(recipe, **values)
