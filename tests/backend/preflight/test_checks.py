"""What speaks against a node is said with what was found, what is needed and what to do."""

from __future__ import annotations

import json

import pytest

from backend.engines.stages import Requirements
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.checks import node_checks

NODE = Node("n01", "h", "192.0.2.1", 8, "/ws", python="/opt/python")
NEEDS = Requirements(("torch", "numpy"), ("pyarrow",), 8, ("/d",), (("torch", "2.5"),))


def judged(**answer: object):
    (check,) = [one for one in node_checks(NODE, NEEDS, 0, "/shared") if one.name == "python"]
    assert check.argv[-3:] == ("torch", "numpy", "pyarrow")
    found = {"python": [3, 9, 18], "missing": [], "versions": {"torch": "2.6.0"}} | answer
    return check.judge(Completed(0, json.dumps(found).encode(), b""))


def test_a_good_python_passes() -> None:
    assert judged() is None


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"python": [3, 8, 10]}, "n01 has Python 3.8.10"),
        ({"missing": ["torch", "pyarrow"]}, "n01 lacks torch, pyarrow"),
        ({"versions": {"torch": "2.1.0"}}, "n01: torch is 2.1.0, at least 2.5 is needed"),
    ],
)
def test_what_is_wrong_is_said_with_a_fix(answer: dict[str, object], what: str) -> None:
    problem = judged(**answer)
    assert problem is not None
    assert problem.what == what
    assert problem.fix
