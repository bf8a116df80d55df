"""`npudeck health` and host keys: who is not known is looked at, who has changed is doubted."""

from __future__ import annotations

import pytest

from backend.cli.health_report import advice, fleet_of
from backend.events import NodeNotReached
from backend.fleet.host_key_words import says_unknown_key, unknown_key
from backend.inventory import Inventory, Node

NAMES = ("n01", "n02", "n03", "n04")
INVENTORY = Inventory("lab", tuple(Node(name, name, name, 2, "/w") for name in NAMES), "/s")


def test_unknown_keys_lead_to_trust_and_the_rest_to_check() -> None:
    state = fleet_of(INVENTORY, NAMES)
    state.apply(
        [
            NodeNotReached("n01", 5.0, f"{unknown_key('n01')}: it offers SHA256:x, which is not in /k"),
            NodeNotReached("n02", 5.0, f"{unknown_key('[n02]:2222')}: it offers SHA256:y, not in /k"),
            NodeNotReached("n03", 5.0, "no answer within 10 s"),
            NodeNotReached("n04", 5.0, "the host key of n04 has changed: it offers SHA256:z"),
        ]
    )
    assert advice(state).splitlines() == [
        "host keys that are not known yet: npudeck fleet trust 'n[01-02]'",
        "what keeps them: npudeck check --nodes 'n[03-04]'",
    ]


@pytest.mark.parametrize("reason", ["", "no answer", "the host key of n04 has changed: x", "x is not known"])
def test_other_reasons_are_not_taken_for_it(reason: str) -> None:
    assert not says_unknown_key(reason)
