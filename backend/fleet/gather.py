"""Answers of many nodes, the equal ones together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def by_equality(answers: Mapping[str, T]) -> list[tuple[tuple[str, ...], T]]:
    """Groups of nodes with their common answer: the most common first, so that what deviates stands last.

    Nodes keep their order within a group, and groups of one size that of their first node.
    """
    groups: dict[T, list[str]] = {}
    for name, answer in answers.items():
        groups.setdefault(answer, []).append(name)
    return sorted(
        ((tuple(names), answer) for answer, names in groups.items()), key=lambda group: -len(group[0])
    )
