"""What speaks against a node is said with what was found, what is needed and what to do."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from backend.engines.stages import Requirements
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.checks import judge_devices, launch_items
from backend.preflight.item import Finding, Status, finding_of

NODE = Node("n01", "h", "192.0.2.1", 8, "/ws", python="/opt/python")
NEEDS = Requirements(("torch", "numpy"), ("pyarrow",), 8, ("/d",), (("torch", "2.5"),))


def judged(**answer: object) -> Finding:
    (item,) = [one for one in launch_items(NODE, NEEDS, 0, "/shared") if one.name == "python"]
    assert item.argv[-3:] == ("torch", "numpy", "pyarrow")
    found = {"python": [3, 9, 18], "missing": [], "versions": {"torch": "2.6.0"}} | answer
    return finding_of(item, "n01", item.judge(Completed(0, json.dumps(found).encode(), b"")))


def inputs(*said: object) -> Finding:
    (item,) = [one for one in launch_items(NODE, NEEDS, 0, "/shared") if one.name == "inputs"]
    text = "".join(f"npudeck-input {json.dumps(one)}\n" for one in said)
    return finding_of(item, "n01", item.judge(Completed(0, text.encode(), b"")))


def test_a_good_python_passes() -> None:
    assert judged().status is Status.OK


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"python": [3, 8, 10]}, "n01: it is Python 3.8.10"),
        ({"missing": ["torch", "pyarrow"]}, "n01: /opt/python lacks torch, pyarrow"),
        ({"versions": {"torch": "2.1.0"}}, "n01: torch is 2.1.0, at least 2.5 is needed"),
    ],
)
def test_what_is_wrong_is_said_with_a_fix(answer: dict[str, object], what: str) -> None:
    found = judged(**answer)
    assert found.status is Status.WRONG
    assert found.to_problem().what == what
    assert found.to_problem().fix


def test_what_is_read_must_be_there_and_whole() -> None:
    assert inputs({"kind": "file", "bytes": 3}).status is Status.OK
    assert inputs({"kind": "absent"}).to_problem().what == "/d cannot be read on n01"
    assert inputs({"kind": "folder", "missing": ["m-2.safetensors"]}).found == "n01: /d lacks m-2.safetensors"
    assert inputs({"kind": "folder", "cut": ["m-1.safetensors"]}).status is Status.WRONG


@pytest.mark.parametrize("said", [(), ({},), ("text",), ({"kind": "file"}, {"kind": "file"})])
def test_an_answer_of_something_else_is_no_answer(said: tuple[object, ...]) -> None:
    assert inputs(*said).status is Status.UNKNOWN


def test_weights_that_nobody_reads_may_be_missing() -> None:
    """Of a model that is trained from scratch only config.json and tokenizer are read."""
    shards = {"kind": "folder", "missing": ["m-2.safetensors"]}
    needs = replace(NEEDS, without_weights=("/d",))
    (item,) = [one for one in launch_items(NODE, needs, 0, "/shared") if one.name == "inputs"]
    done = Completed(0, f"npudeck-input {json.dumps(shards)}\n".encode(), b"")
    assert item.judge(done).status is Status.OK


def test_a_rehearsal_needs_no_npu_smi() -> None:
    absent = Completed(127, b"npudeck-table\nsh: npu-smi: not found\n", b"")
    assert judge_devices(replace(NODE, device="cpu"), absent, 2) is None
    problem = judge_devices(NODE, absent, 2)
    assert problem is not None
    assert problem.why == "npu-smi: not found"
    silent = Completed(1, b"npudeck-table\ndcmi module initialize failed. ret is -8005\n", b"")
    assert judge_devices(replace(NODE, device="cpu"), silent, 2) is not None
