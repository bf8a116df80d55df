"""What the table says against the NPUs that a run would take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.events import DeviceReading, NodeObserved
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight import npu_health
from backend.preflight.item import Status
from backend.preflight.npu_health import danger, ill_npus, is_too_ill, npu_health_item, spite, too_ill

NODE = Node("n01", "h", "192.0.2.1", 8, "/ws")
CHIP = DeviceReading(0, 0, None, "910B3", "OK", 90.0, 45, 0, 0, "0000:C1:00.0", 0, 0, 0, 3400, 65536)


def seen(*words: str) -> NodeObserved:
    chips = tuple(replace(CHIP, npu_id=number, health=word) for number, word in enumerate(words))
    return NodeObserved("n01", 0.0, "24.1", chips, (), 1.0)


@pytest.mark.parametrize(
    ("word", "refused_by"),
    [
        ("OK", ()),
        ("Warning", ("ok",)),
        ("Alarm", ("ok", "warning")),
        ("Critical", ("ok", "warning", "alarm")),
        ("UNKNOWN", ("ok", "warning", "alarm")),
        ("a new word", ("ok", "warning", "alarm")),
    ],
)
def test_the_inventory_says_how_ill_an_npu_may_be(word: str, refused_by: tuple[str, ...]) -> None:
    for worst in ("ok", "warning", "alarm", "critical"):
        node = replace(NODE, worst_health=worst)
        found = ill_npus(node, seen("OK", word), 2)
        assert any(is_too_ill(node, one) for one in found) == (worst in refused_by), worst


def test_only_the_npus_that_a_run_takes_count() -> None:
    assert not ill_npus(NODE, seen("OK", "Critical"), 1)
    (found,) = ill_npus(NODE, seen("OK", "Critical"), 2)
    assert (found.npu_id, found.rule) == (1, "health_word")
    assert not ill_npus(NODE, seen("OK"), 8)


def test_the_others_that_are_named_are_those_that_are_too_ill(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning beside an alarm is allowed."""
    answers = {"one": seen("Alarm", "Warning"), "two": seen("Warning", "Alarm", "OK", "Critical")}
    monkeypatch.setattr(npu_health, "observed", lambda _node, done: answers[done.text()])

    def judged(name: str, node: Node = NODE) -> tuple[Status, str]:
        verdict = npu_health_item(node, 4).judge(Completed(0, name.encode(), b""))
        return verdict.status, verdict.found

    assert judged("one") == (Status.WRONG, "NPU 0 chip 0: npu-smi reports Alarm")
    assert judged("two") == (
        Status.WRONG,
        "NPU 3 chip 0: npu-smi reports Critical; too ill as well: NPU 1 chip 0",
    )
    allowing = replace(NODE, worst_health="critical")
    assert judged("one", allowing) == (
        Status.WARNING,
        "NPU 0 chip 0: npu-smi reports Alarm; also NPU 1 chip 0",
    )


@pytest.mark.parametrize(
    ("words", "worst", "needed"),
    [
        (("Warning",), "ok", "warning"),
        (("Warning", "Alarm"), "ok", "alarm"),
        (("Alarm", "Warning"), "warning", "alarm"),
        (("Alarm", "UNKNOWN"), "warning", "critical"),
        (("Critical",), "alarm", "critical"),
    ],
)
def test_the_value_that_is_named_would_let_the_node_pass(
    words: tuple[str, ...], worst: str, needed: str
) -> None:
    node = replace(NODE, worst_health=worst)
    found = ill_npus(node, seen(*words), 8)
    ill = too_ill(node, found)
    assert f'set worst_health = "{needed}" in the inventory' in spite(node, ill)
    assert not too_ill(replace(node, worst_health=needed), found)
    # of a mere warning nothing worse is said than that it is not allowed
    assert ("lost" in danger(node, ill[0])) is (words != ("Warning",))
