"""What the table says against the NPUs that a run would take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.events import DeviceReading, NodeObserved
from backend.inventory import Node
from backend.preflight.npu_health import ill_npus, is_too_ill

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
