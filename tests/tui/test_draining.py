"""Taking a node out of service from the screen: asked first, with the reason that is known."""

from __future__ import annotations

import fake_desk
import made_fleets
from fake_desk import FakeDesk
from made_fleets import device, observed
from screen_text import screen_text, settled
from waiting import OpenConsole

from backend.problems import LocalError


async def test_d_drains_the_node_with_what_is_wrong_on_it_and_puts_it_back(console: OpenConsole) -> None:
    desk = made_fleets.ill_desk()
    desk.fleet.drained = {}
    async with console(desk) as (app, pilot):
        await pilot.press("n", "d")
        await settled(pilot)
        text = screen_text(app)
        node = next(iter(name for name, view in desk.fleet.nodes.items() if f"Take {name} out" in text))
        worst = desk.fleet.nodes[node].findings[0].what
        assert f"fleet drain {node}" in text
        assert worst[:30] in text
        await pilot.press("escape")
        await settled(pilot)
        assert desk.fleet.drained == {}
        await pilot.press("d", "enter")
        await settled(pilot)
        assert desk.fleet.drained == {node: worst}
        assert "drained" in screen_text(app)
        await pilot.press("d")
        await settled(pilot)
        assert f"Put {node} back into service" in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert desk.fleet.drained == {}


async def test_a_node_that_is_well_needs_no_reason_and_its_page_drains_it_too(console: OpenConsole) -> None:
    desk = _well()
    async with console(desk) as (app, pilot):
        await pilot.press("enter", "d")
        await settled(pilot)
        assert "--reason" not in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert desk.fleet.drained == {"demo-1": ""}


async def test_a_state_directory_that_cannot_be_written_is_said(console: OpenConsole) -> None:
    desk = _well()
    desk.unwritable = LocalError.because("/state/drained.json cannot be changed: No space left on device")
    async with console(desk) as (app, pilot):
        await pilot.press("d", "enter")
        await settled(pilot)
        assert "No space left on" in screen_text(app)
        assert desk.fleet.drained == {}


def _well() -> FakeDesk:
    desk = FakeDesk(fake_desk.small_inventory(1, 2))
    desk.apply(observed("demo-1", (device(0), device(1))))
    return desk
