"""The recipe as it is being edited: texts in, values and problems out; pure."""

from __future__ import annotations

import dataclasses
from typing import Any

from backend.problems import NpudeckError, Problem
from backend.recipes.field import GROUPS, LORA, Field
from backend.recipes.fields import BY_NAME, FIELDS, Recipe
from backend.recipes.values import format_value, parse_value


class RecipeDraft:
    """One recipe and the texts that could not be read as values. `path` is "" until it has a file."""

    def __init__(self, recipe: Recipe, path: str = "") -> None:
        self.recipe = recipe
        self.path = path
        self._saved = recipe
        self._unread: dict[str, tuple[str, tuple[Problem, ...]]] = {}

    @property
    def dirty(self) -> bool:
        """Is anything different from what was loaded or last saved?"""
        return self.recipe != self._saved or bool(self._unread)

    @property
    def unread(self) -> tuple[Problem, ...]:
        """What is wrong with texts that are not values."""
        return tuple(problem for _text, problems in self._unread.values() for problem in problems)

    @property
    def refused(self) -> dict[str, str]:
        """The texts that are no values, by field: nothing may be worked out from these fields."""
        return {name: text for name, (text, _problems) in self._unread.items()}

    def text(self, name: str) -> str:
        """The value as it would be typed; "" for none."""
        if name in self._unread:
            return self._unread[name][0]
        value = getattr(self.recipe, name)
        return "" if value is None else format_value(BY_NAME[name], value)

    def type(self, name: str, text: str) -> None:
        """Take a typed text: the value changes if it can be read, else the text is kept and explained."""
        field = BY_NAME[name]
        self._unread.pop(name, None)
        stripped = text.strip()
        if not stripped and not field.required:
            self.put(name, field.default)
            return
        try:
            self.put(name, parse_value(field, stripped) if stripped else field.default)
        except NpudeckError as error:
            self._unread[name] = (text, error.problems)

    def put(self, name: str, value: Any) -> None:
        self._unread.pop(name, None)
        self.recipe = dataclasses.replace(self.recipe, **{name: value})

    def changed(self, name: str) -> bool:
        """Is it different from its default?"""
        return name in self._unread or getattr(self.recipe, name) != BY_NAME[name].default

    def mark_saved(self, path: str) -> None:
        self.path = path
        self._saved = self.recipe

    def state(self) -> tuple[Recipe, dict[str, tuple[str, tuple[Problem, ...]]]]:
        """To be handed to `restore` when an edit is given up."""
        return self.recipe, dict(self._unread)

    def restore(self, state: tuple[Recipe, dict[str, tuple[str, tuple[Problem, ...]]]]) -> None:
        self.recipe, self._unread = state[0], dict(state[1])

    def grouped(self, advanced: bool) -> list[tuple[str, list[Field]]]:
        """Fields by group, in the order of the form; advanced ones only when changed, or asked for."""
        groups = []
        for group in GROUPS:
            fields = [field for field in FIELDS if field.group == group and self._shown(field, advanced)]
            if fields:
                groups.append((group, fields))
        return groups

    def folded(self, advanced: bool) -> int:
        """How many fields are not shown."""
        return sum(not self._shown(field, advanced) for field in FIELDS)

    def _shown(self, field: Field, advanced: bool) -> bool:
        if advanced or field.required or self.changed(field.name):
            return True
        wanted_by_lora = field.group == LORA and self.recipe.run_type == "lora"
        return wanted_by_lora or not field.advanced


def shown_value(field: Field, text: str) -> str:
    """The text with separators in whole numbers, for reading."""
    plain = field.kind == "int" and field.name != "seed" and text.isdigit()
    return f"{int(text):,}" if plain else text
