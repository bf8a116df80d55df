"""The cursor stays on its node; only lines that changed are drawn again."""

from __future__ import annotations

import made_fleets
from fake_desk import NOW
from made_fleets import device, observed
from screen_text import screen_lines, screen_text, settled
from waiting import OpenConsole

from backend.events import NodeNotReached
from tui.widgets.heat_grid import HeatGrid


async def test_the_cursor_begins_on_the_worst_npu(console: OpenConsole) -> None:
    async with console(made_fleets.big_desk()) as (app, _pilot):
        assert "n14 · NPU 2" in screen_text(app)


async def test_the_cursor_stays_on_its_node_when_the_order_changes(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk()
    async with console(desk) as (app, pilot):
        await pilot.press("end", "right")
        await settled(pilot)
        assert "demo-2 · NPU 1" in screen_text(app)
        desk.push(NodeNotReached("demo-1", NOW, "gone"), NodeNotReached("demo-3", NOW, "gone"))
        desk.push(observed("demo-2", (device(0), device(1, health="Alarm")), NOW))
        await wait(pilot, lambda: "▸ demo-2" in screen_lines(app)[4])
        assert "demo-2 · NPU 1" in screen_text(app)
        assert "npu-smi reports Alarm" in screen_text(app)


async def test_only_changed_lines_are_drawn(console: OpenConsole, monkeypatch, wait) -> None:
    desk = made_fleets.big_desk()
    async with console(desk, (160, 45)) as (app, pilot):
        grid = app.screen.query_one(HeatGrid)
        drawn: list[int] = []
        draw = grid._draw
        monkeypatch.setattr(grid, "_draw", lambda index, base: drawn.append(index) or draw(index, base))
        desk.push(observed("n30", tuple(device(i, temp=95 if i == 4 else 50) for i in range(8)), NOW))
        await wait(pilot, lambda: "▲95°" in screen_text(app))
        assert len(set(drawn)) <= 32  # it moved up to the warnings, those it passed moved down
        drawn.clear()
        desk.push(observed("n32", tuple(device(i, temp=97 if i == 4 else 50) for i in range(8)), NOW))
        desk.push(observed("n32", tuple(device(i, temp=99 if i == 4 else 50) for i in range(8)), NOW))
        await wait(pilot, lambda: "▲99°" in screen_text(app))
        drawn.clear()
        desk.push(observed("n32", tuple(device(i, temp=98 if i == 4 else 50) for i in range(8)), NOW))
        await wait(pilot, lambda: "▲98°" in screen_text(app))
        assert len(drawn) == 1


async def test_fold_and_unfold(console: OpenConsole) -> None:
    async with console(made_fleets.big_desk()) as (app, pilot):
        assert "more nodes, all well" in screen_text(app)
        await pilot.press("end", "enter")
        await settled(pilot)
        assert "more nodes, all well" not in screen_text(app)
        await pilot.press("end")
        await settled(pilot)
        assert "▸ n32" in screen_text(app)
        await pilot.press("f")
        await settled(pilot)
        assert "more nodes, all well" in screen_text(app)


async def test_r_opens_the_run_of_a_node(console: OpenConsole, wait) -> None:
    async with console(made_fleets.demo_desk()) as (app, pilot):
        await pilot.press("end", "r")
        await wait(pilot, lambda: "Runs › r4" in screen_text(app))


async def test_resizing_from_small_to_wide_and_back(console: OpenConsole) -> None:
    async with console(made_fleets.big_desk()) as (app, pilot):
        for width, height in ((50, 12), (160, 45), (100, 30), (60, 16)):
            await pilot.resize_terminal(width, height)
            await settled(pilot)
            text = screen_text(app)
            assert ("This terminal is 50×12" in text) == (width == 50)
            assert ("n14 · NPU 2" in text) == (width > 50)
            assert ("needs a look" in text) == (width >= 100)
            if width >= 100:
                assert "m measure" in screen_lines(app)[-2]  # the grid has the whole height


async def test_two_panes_show_how_fresh_each_node_is_and_the_head_stays(console: OpenConsole) -> None:
    async with console(made_fleets.big_desk(), (100, 30)) as (app, pilot):
        await pilot.press("f")
        await settled(pilot)
        head = screen_lines(app)[3].partition("││")[0]
        assert "seen" in head
        assert "silent" in screen_text(app)
        assert "r run" not in screen_lines(app)[-1]
        await pilot.press("end")
        await settled(pilot)
        lines = screen_lines(app)
        assert lines[3].startswith(head)
        assert "▸ n32" in lines[-3]
        await pilot.press("home")
        await settled(pilot)
        assert screen_lines(app)[3].startswith(head)
        assert "▸ n14" in screen_lines(app)[4]
