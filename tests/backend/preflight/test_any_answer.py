"""Nothing that a node may answer makes a judge raise, and silence is never taken for good news."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.engines.stages import Requirements
from backend.fleet.transport import Completed
from backend.inventory import Container, Node
from backend.preflight.item import Item, Status
from backend.preflight.items import node_items
from backend.preflight.setting import CheckpointNeed, Setting
from backend.recipes.fields import Recipe

NODES = tuple(Node(f"n{number}", "h", "192.0.2.1", 8, "/ws") for number in (1, 2))
SETTING = Setting(
    NODES,
    "/shared",
    Container("trainer", "image"),
    6000,
    Recipe(model="m", data_path="/d", hf_weights="/w"),
    Requirements(("torch",), (), 8, (), (("torch", "2.5"),)),
    (("n1", "/code", "scripts/a.sh"),),
    CheckpointNeed("/s", 10**9, "formula", 10**8),
    deep=True,
)
ITEMS = {item.name: item for item in node_items(NODES[0], SETTING)}
MARKS = (
    *("login", "limit", "ps", "tools", "table", "version", "fact", "fact daemon", "forward", "forward-file"),
    *("directory", "owner", "owner me", "code", "input", "free", "roce", "roce 0 tls"),
    *("fact cpus 8\nnpudeck-container", "address", "speed"),
)
DEEP = "[" * 3000
anything = st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(
    st.sampled_from(
        [
            "kind",
            "names",
            "missing",
            "cut",
            "bytes",
            "shards",
            "python",
            "versions",
            "name",
            "image",
            "running",
            "devices",
            "mounts",
            "shm",
            "network",
            "environment",
            "privileged",
            "means",
            "own",
            "on",
            "interfaces",
            "host",
            "host_means",
            "set",
            "seconds",
            "error",
        ]
    ),
    values | st.sampled_from(["folder", "file"]),
)


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_silence_is_not_well(item: Item) -> None:
    for code in (0, 1, 126, 127, -9):
        assert item.judge(Completed(code, b"", b"")).status is not Status.OK


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MARKS), anything | documents.map(json.dumps), st.sampled_from([0, 1, 126, 187, -9]))
@example("input", DEEP, 0)
@example("fact cpus 8\nnpudeck-container", DEEP, 0)
@example("limit", "nofile " + "9" * 5000, 0)
@example("input", json.dumps({"kind": "folder", "names": ["config.json"], "shards": 1, "bytes": 10**400}), 0)
def test_no_answer_makes_a_judge_raise(mark: str, rest: str, code: int) -> None:
    text = f"npudeck-{mark} {rest}\n{rest}\n".encode("utf-8", "replace")
    for item in ITEMS.values():
        verdict = item.judge(Completed(code, text, text))
        assert len(verdict.found) < 1000, item.name
