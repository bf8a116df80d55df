"""Every key of the Fleet screen and the page of a node, over odd fleets: nothing ends the console."""

from __future__ import annotations

from collections.abc import Callable

import fake_desk
import made_fleets
import pytest
from fake_desk import NOW, FakeDesk
from made_fleets import device, observed
from screen_text import screen_text, settled
from waiting import OpenConsole

from backend.events import Finding, Level, NodeDetailed, NodeNotReached
from backend.inventory import Inventory
from tui.actions import ACTIONS, EVERYWHERE, FLEET, NODE

MOVES = ("left", "up", "down", "right", "end", "pageup")
KEYS = [
    key
    for action in ACTIONS
    if action.screen in (EVERYWHERE, FLEET, NODE) and action.name not in ("app.quit", "app.palette")
    for key in action.keys.split(",")
]


def _silent() -> FakeDesk:
    desk = FakeDesk(fake_desk.small_inventory(3, 8))
    desk.apply(*(NodeNotReached(name, NOW - 9, "") for name in desk.fleet.nodes))
    return desk


def _without_npus() -> FakeDesk:
    desk = FakeDesk(fake_desk.small_inventory(2, 0))
    desk.apply(observed("demo-1", ()))
    return desk


FLEETS: dict[str, Callable[[], FakeDesk]] = {
    "no inventory": lambda: FakeDesk(None),
    "no nodes": lambda: FakeDesk(Inventory("none", (), "/srv/share", path="npudeck.toml")),
    "not asked yet": lambda: FakeDesk(fake_desk.small_inventory()),
    "all silent": _silent,
    "one node": lambda: FakeDesk(fake_desk.small_inventory(1, 1)),
    "without NPUs": _without_npus,
    "ill": made_fleets.ill_desk,
}


@pytest.mark.parametrize("fleet", FLEETS)
async def test_every_key_everywhere(fleet: str, console: OpenConsole) -> None:
    async with console(FLEETS[fleet]()) as (app, pilot):
        for way in (("1",), ("1", "enter")):
            await pilot.press("escape", "escape", *way)
            await pilot.press(*MOVES, *KEYS)
            await settled(pilot)
            assert app.is_running
            assert "npudeck" in screen_text(app)


async def test_a_node_that_vanishes_under_the_cursor_and_comes_back_smaller(console: OpenConsole) -> None:
    desk = made_fleets.ill_desk()
    gone = Finding("missing_npu", Level.ALARM, "demo-2", None, None, "1 NPU is missing", "", "", NOW)
    async with console(desk, (160, 45)) as (app, pilot):
        await pilot.press("enter", "right", "right")
        for events, said in (
            ((NodeNotReached("demo-2", NOW, "cut"),), "has not answered"),
            ((observed("demo-2", (device(0),), NOW),), "gone: npu-smi does not list it"),
            ((NodeDetailed("demo-2", NOW, (), None, (gone,)),), "1 NPU is missing"),
            ((observed("demo-2", tuple(device(i) for i in range(16)), NOW),), "NPUs table now"),
            ((observed("demo-2", (), NOW),), "gone: npu-smi does not list it"),
        ):
            desk.push(*events)
            app._tick()
            await settled(pilot)
            for key in ("right", "left", "n"):
                await pilot.press(key)
            await settled(pilot)
            assert said in screen_text(app)
        await pilot.press("escape", "n", "n", "n", "n", "n", "n", "p", "enter", "m", "m")
        await settled(pilot)
        assert "Fleet · AICore %" in screen_text(app)
