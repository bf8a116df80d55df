"""`n` reaches everything that is wrong, also what is wrong with a whole node or between nodes."""

from __future__ import annotations

import fake_desk
import made_fleets
import pytest
from fake_desk import NOW, FakeDesk
from made_fleets import details, device, host, observed
from screen_text import screen_lines, screen_text, settled
from waiting import OpenConsole

from backend.events import Finding, Level, NodeDetailed
from tui.widgets.heat_grid import HeatGrid

DISK = Finding("disk_full", Level.WARNING, "demo-2", None, None, "/data is 98 % full", "", "make room", NOW)
CANN = Finding(
    "cann_differs", Level.WARNING, "", None, None, "CANN 8.0.RC3: demo-1; 8.0: demo-2",
    "one job needs the same version on all of its nodes", "bring the smaller groups to what demo-1 has", NOW,
)  # fmt: skip
TLS = Finding("tls_differs", Level.ALARM, "", None, None, "TLS switch 0: demo-1; 1: demo-2", "", "", NOW)


def _desk(*fleet_findings: Finding, npus: int = 2) -> FakeDesk:
    """All NPUs are well; a disk of demo-2 is full, and nodes differ."""
    desk = FakeDesk(fake_desk.small_inventory(3, npus))
    for name in ("demo-1", "demo-2", "demo-3"):
        said = (DISK,) if name == "demo-2" else ()
        cards = range(npus)
        desk.apply(
            observed(name, tuple(device(i) for i in cards)),
            NodeDetailed(name, NOW - 1, tuple(details(i) for i in cards), host(), said),
        )
    desk.apply(NodeDetailed("", NOW - 1, (), None, fleet_findings))
    return desk


async def _places(app, pilot, count: int) -> list[str]:
    seen = []
    for _ in range(count):
        await pilot.press("n")
        await settled(pilot)
        seen.append(str(app.screen.query_one("#detail").border_title))
    return seen


async def test_n_reaches_what_differs_between_nodes(console: OpenConsole) -> None:
    async with console(_desk(TLS, CANN)) as (app, pilot):
        assert await _places(app, pilot, 4) == [
            "fleet · CANN",
            "demo-2 · NPU 0",
            "fleet · TLS",
            "fleet · CANN",
        ]
        text = screen_text(app)
        assert "CANN 8.0.RC3: demo-1; 8.0: demo-2" in text
        assert "first" in text
        assert "bring the smaller groups to what demo-1 has" in text


async def test_a_trouble_of_the_whole_node_is_told_beside_each_of_its_cards(console: OpenConsole) -> None:
    async with console(_desk()) as (app, pilot):
        assert await _places(app, pilot, 2) == ["demo-2 · NPU 0"] * 2
        assert "demo-2 ▲" in screen_lines(app)[4]  # a mark, not colour alone
        for _ in range(2):
            assert "/data is 98 % full" in screen_text(app)
            assert "make room" in screen_text(app)
            await pilot.press("right")
            await settled(pilot)


async def test_the_cursor_moves_over_what_differs(console: OpenConsole) -> None:
    async with console(_desk(TLS, CANN)) as (app, pilot):
        assert screen_lines(app)[4].split()[:4] == ["│▸", "fleet", "✖TLS", "▲CANN"]
        await pilot.press("right")
        await settled(pilot)
        assert app.screen.query_one("#detail").border_title == "fleet · CANN"
        await pilot.press("right", "enter", "r")
        await settled(pilot)
        assert app.screen.query_one("#detail").border_title == "fleet · CANN"
        await pilot.press("down")
        await settled(pilot)
        assert app.screen.query_one("#detail").border_title == "demo-2 · NPU 1"


async def test_a_click_on_what_differs(console: OpenConsole) -> None:
    async with console(_desk(TLS, CANN)) as (app, pilot):
        grid = app.screen.query_one(HeatGrid)
        place = screen_lines(app)[4].index("▲CANN")
        await pilot.click(grid, offset=(place - grid.region.x + 2, 2))
        await settled(pilot)
        assert app.screen.query_one("#detail").border_title == "fleet · CANN"


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (160, 45)])
async def test_what_differs_is_gone_when_it_is_mended(console: OpenConsole, wait, size) -> None:
    desk = _desk(CANN)
    async with console(desk, size) as (app, pilot):
        await pilot.press("n")
        desk.push(NodeDetailed("", NOW, (), None, ()))
        await wait(pilot, lambda: "fleet  " not in screen_text(app))
        assert str(app.screen.query_one("#detail").border_title).startswith("demo-")


async def test_an_ill_fleet_shows_every_problem_once_around(console: OpenConsole) -> None:
    async with console(made_fleets.ill_desk()) as (app, pilot):
        titles = await _places(app, pilot, 5)
        assert sorted(set(titles)) == sorted(titles)
        assert "fleet · CANN" in titles
