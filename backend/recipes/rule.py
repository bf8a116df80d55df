"""What a rule is: the fields it reads, and a judgement over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from backend.catalog.model import Architecture, Layout
from backend.problems import Problem
from backend.recipes.fields import Recipe


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged. `architecture` is None when the model is not known; `layouts` are the guide's."""

    recipe: Recipe
    architecture: Architecture | None
    layouts: tuple[Layout, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """`judge` is not asked when one of `fields` has no valid value to judge."""

    fields: tuple[str, ...]
    judge: Callable[[Subject], Iterable[Problem]]
