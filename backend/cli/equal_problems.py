"""The same problem on many nodes, said once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from backend.fleet.node_sets import folded
from backend.problems import Problem


def together(problems: Iterable[Problem]) -> list[Problem]:
    """Problems that differ in the node alone, which stands in their field, as one of all those nodes."""
    nodes: dict[Problem, list[str]] = {}
    for problem in problems:
        nodes.setdefault(replace(problem, field=""), []).append(problem.field)
    return [replace(problem, field=folded(dict.fromkeys(names))) for problem, names in nodes.items()]
