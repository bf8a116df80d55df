"""One sentence for what is wrong on many nodes."""

from __future__ import annotations

from backend.cli.equal_problems import together
from backend.problems import Problem, Severity


def problem(node: str, what: str, why: str = "") -> Problem:
    return Problem(node, Severity.ERROR, what, why)


def test_equal_ones_are_one_in_the_order_of_the_first() -> None:
    found = together(
        [
            problem("n01", "full"),
            problem("n02", "away"),
            problem("n03", "full"),
            problem("n02", "full", "why"),
        ]
    )
    assert found == [problem("n[01,03]", "full"), problem("n02", "away"), problem("n02", "full", "why")]


def test_what_is_no_nodes_stays() -> None:
    assert together([problem("source", "gone"), problem("source", "gone")]) == [problem("source", "gone")]
    assert together([problem("", "gone")]) == [problem("", "gone")]
