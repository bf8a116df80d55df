"""The same trouble of many nodes is one entry, and leads to the first of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fake_desk
from fake_desk import NOW, FakeDesk
from made_fleets import device, observed
from screen_text import screen_text, settled
from waiting import OpenConsole

from backend.events import Finding, Level, NodeDetailed, NodeNotReached
from tui.concern_groups import together
from tui.concerns import Concern
from tui.widgets.concern_list import ConcernList
from tui.widgets.heat_grid import HeatGrid


def _hot(node: str, since: float = NOW, **changes: Any) -> Concern:
    fix = f"npudeck fleet drain {node}; cool it"
    return replace(Concern(Level.ALARM, node, 1, "NPU 1", "98 °C", "", fix, since), **changes)


def test_equal_ones_name_their_nodes_together() -> None:
    (one,) = together([_hot("n01"), _hot("n02", NOW - 5), _hot("n03")], {})
    assert (one.place, one.node, one.index, one.since) == ("n[01-03] NPU 1", "n01", 1, NOW - 5)
    assert one.fix == "npudeck fleet drain 'n[01-03]'; cool it"


def test_what_differs_stays_apart_in_its_order() -> None:
    concerns = [
        _hot("n01"),
        _hot("n02", npus="NPU 2"),
        _hot("n03", what="99 °C"),
        _hot("n04", level=Level.WARNING),
        _hot("n05", more=1),
        _hot("n06", drained=True),
    ]
    assert together(concerns, {}) == concerns


def test_what_differs_between_nodes_is_never_one() -> None:
    differences = [Concern(Level.WARNING, "", index, "", "CANN", "", "") for index in (0, 1)]
    assert together(differences, {}) == differences


def test_silent_nodes_whose_reasons_name_their_hosts_are_one() -> None:
    silent = [
        Concern(Level.UNKNOWN, name, 0, "", f"has not answered (the host name {name}.lan is not known)")
        for name in ("n1", "n11")
    ]
    (one,) = together(silent, {"n1": "n1.lan", "n11": "n11.lan"})
    assert (one.place, one.what) == ("n[1,11]", "has not answered (the host name HOST is not known)")
    assert together(silent[:1], {"n1": "n1.lan"}) == silent[:1]


async def test_three_hundred_silent_nodes_are_one_entry(console: OpenConsole) -> None:
    desk = FakeDesk(fake_desk.small_inventory(300, 1, prefix="n"))
    for node in desk.inventory.nodes:
        desk.apply(NodeNotReached(node.name, NOW - 30, f"{node.host} does not answer"))
    async with console(desk, size=(120, 30)) as (app, _pilot):
        assert "needs a look · 1" in screen_text(app)
        assert app.screen.query_one(ConcernList).option_count == 1


async def test_enter_goes_to_the_first_of_them(console: OpenConsole) -> None:
    desk = FakeDesk(fake_desk.small_inventory(4, 2))
    for name in ("demo-2", "demo-3", "demo-4"):
        hot = Finding("heat", Level.ALARM, name, 1, 0, "98 °C", "", "cool it", NOW)
        desk.apply(observed(name, (device(0), device(1))), NodeDetailed(name, NOW, (), None, (hot,)))
    async with console(desk, size=(80, 24)) as (app, pilot):
        await pilot.press("end", "down", "p")
        await settled(pilot)
        assert "demo-[2-4] NPU 1: 98 °C" in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        grid = app.screen.query_one(HeatGrid)
        assert grid.current is not None
        assert (grid.current.node, grid.column) == ("demo-2", 1)
        await pilot.press("n")
        await settled(pilot)
        assert grid.current.node == "demo-3"
