"""What broke, on which node and card, since when, what first; and nothing unknown or old looks well."""

from __future__ import annotations

from dataclasses import replace

import fake_desk
import made_fleets
import pytest
from fake_desk import NOW, FakeDesk
from made_fleets import details, device, host, observed
from screen_text import screen_text, settled
from waiting import OpenConsole

from backend.cli.own_commands import remember_inventory
from backend.clock import SteppedClock
from backend.events import Finding, Level, NodeDetailed, NodeNotReached
from tui.concerns import findings_of
from tui.detail_words import facts
from tui.fleet_board import FleetBoard
from tui.formats import since
from tui.inks import GLYPHS, WORDS


def _one(*findings: Finding) -> FakeDesk:
    desk = FakeDesk(fake_desk.small_inventory(1, 1))
    desk.apply(
        observed("demo-1", (device(0),)), NodeDetailed("demo-1", NOW - 1, (details(0),), host(), findings)
    )
    return desk


def test_every_level_has_a_mark_and_a_word_of_its_own() -> None:
    assert len(set(GLYPHS.values())) == len(set(WORDS.values())) == len(Level)


async def test_the_worst_is_told_at_once(console: OpenConsole) -> None:
    async with console(made_fleets.ill_desk()) as (app, _pilot):
        text = screen_text(app)
        assert "◆ 1 ✖ 2 ▲ 0 ? 1 ● 4" in text.splitlines()[0]
        assert "demo-2 · NPU 1" in text
        assert "critical  fault 80E18402" in text
        assert "since     12:10:10, 3 min ago" in text
        assert "first     take it out of use" in text
        assert "npu-smi reports Critical" not in text  # the code says what it means


async def test_n_goes_from_problem_to_problem(console: OpenConsole) -> None:
    async with console(made_fleets.ill_desk()) as (app, pilot):
        seen = []
        for _ in range(5):
            await pilot.press("n")
            await settled(pilot)
            seen.append(str(app.screen.query_one("#detail").border_title).split()[0])
        assert seen == ["demo-4", "fleet", "demo-3", "demo-1", "demo-2"]


async def test_the_list_says_it_all_and_leads_to_the_card(console: OpenConsole) -> None:
    async with console(made_fleets.ill_desk()) as (app, pilot):
        await pilot.press("p")
        await settled(pilot)
        assert "fleet: CANN 8.0.RC3" in screen_text(app)
        await pilot.press("down", "enter")
        await settled(pilot)
        text = screen_text(app)
        assert "demo-4 · NPU 1" in text
        assert "1 NPU is missing" in text


async def test_a_drained_node_is_marked_and_comes_after_the_others(console: OpenConsole) -> None:
    async with console(made_fleets.ill_desk(), (160, 45)) as (app, _pilot):
        text = screen_text(app)
        assert "⊖ 1 drained" in text.splitlines()[0]
        assert "demo-1 ⊖" in text.splitlines()[8]


async def test_the_page_of_a_node_tells_what_is_old(console: OpenConsole) -> None:
    async with console(made_fleets.ill_desk(), (160, 60)) as (app, pilot):
        await pilot.press("n", "n", "n", "enter")
        await settled(pilot)
        text = screen_text(app)
        assert "demo-3 · unknown" in text
        assert "── host 15 min ago, old" in text
        assert "UP ?" in text
        assert "no answer: no answer within 5 s; before: 0 double-bit" in text
        await pilot.press("escape")
        await settled(pilot)
        assert "Fleet · health" in screen_text(app)


async def test_a_node_that_fell_silent_says_what_was_wrong_before(console: OpenConsole) -> None:
    desk = made_fleets.ill_desk()
    desk.apply(NodeNotReached("demo-2", NOW - 14, "ssh: connection timed out"))
    async with console(desk) as (app, pilot):
        while "demo-2 · NPU 1" not in screen_text(app):
            await pilot.press("n")
            await settled(pilot)
            if "▸ demo-2" in screen_text(app):
                await pilot.press("right")
                await settled(pilot)
        text = screen_text(app)
        assert "demo-2 has not answered for 14 s" in text
        assert "before    fault 80E18402" in text


async def test_a_trouble_that_was_there_at_the_first_look_may_be_older(console: OpenConsole) -> None:
    desk = _one(Finding("heat", Level.WARNING, "demo-1", 0, 0, "91 °C", "", "", NOW + 2))
    async with console(desk, clock=SteppedClock(NOW)) as (app, pilot):
        app.session.clock.advance(8)
        app._tick()
        await settled(pilot)
        assert "12:13:22 or before, 6 s ago" in screen_text(app)


async def test_text_from_a_node_cannot_draw(console: OpenConsole) -> None:
    nasty = Finding("x", Level.ALARM, "demo-1", 0, 0, "a\x1b[2Jb [red]c[/]", "\x1b]0;t\x07", "x\ny", NOW, "")
    async with console(_one(nasty)) as (app, pilot):
        assert "ab [red]c[/]" in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert "ab [red]c[/]" in screen_text(app)


@pytest.mark.parametrize("at", [0.0, -1.0, float("inf"), float("nan"), 1e300])
def test_a_time_that_no_calendar_has_is_not_said(at: float) -> None:
    assert since(at, NOW) == ""


def test_what_was_never_asked_failed_or_is_old_is_unknown() -> None:
    assert {one.level for one in facts(None, NOW)} == {Level.UNKNOWN}
    failed = details(0, failed={"ecc": "no answer within 5 s"})
    by_kind = {one.kind: one for one in facts(failed, NOW)}
    assert by_kind["ecc"].level is Level.UNKNOWN
    assert by_kind["link"].level is Level.WELL
    assert by_kind["fec"].level is Level.UNKNOWN
    later = {one.kind: one for one in facts(details(0), NOW + 7200)}
    assert later["link"].old
    assert later["link"].level is Level.UNKNOWN


def test_the_health_word_is_told_where_no_code_explains_it() -> None:
    word = Finding("health_word", Level.ALARM, "demo-1", 0, 0, "npu-smi reports Alarm")
    code = Finding("fault_code", Level.WARNING, "demo-1", 0, 0, "fault 80E18401")
    view = _one(code, word).fleet.nodes["demo-1"]
    assert [one.rule for one in findings_of(view, 0)] == ["health_word", "fault_code"]
    view = _one(replace(code, level=Level.ALARM), word).fleet.nodes["demo-1"]
    assert [one.rule for one in findings_of(view, 0)] == ["fault_code"]


def test_the_same_trouble_of_several_cards_is_said_once() -> None:
    desk = FakeDesk(fake_desk.small_inventory(1, 8))
    hot = [Finding("link_down", Level.ALARM, "demo-1", i, 0, "link DOWN", "", "", NOW - i) for i in (2, 5)]
    desk.apply(
        observed("demo-1", tuple(device(i) for i in range(8))),
        NodeDetailed("demo-1", NOW, (), None, tuple(hot)),
    )
    (concern,) = FleetBoard(desk.fleet, desk.runs, "").concerns()
    assert (concern.place, concern.index, concern.since) == ("demo-1 NPU 2, 5", 2, NOW - 5)


async def test_a_cell_says_what_a_fault_code_is_about(console: OpenConsole) -> None:
    long = Finding("fault_code", Level.ALARM, "demo-1", 0, 0, "fault 80E18402: HBM: rows: many", "", "", NOW)
    async with console(_one(long)) as (app, _pilot):
        assert "✖HBM" in screen_text(app)
    async with console(_one(replace(long, what="fault 8C084E00: PROCESS: heartbeat"))) as (app, _pilot):
        assert "✖alrm" in screen_text(app)


async def test_the_same_command_is_not_said_twice(console: OpenConsole) -> None:
    told = Finding("x", Level.ALARM, "demo-1", 0, 0, "bad", "", "npudeck fleet drain demo-1; repair it", NOW)
    async with console(_one(told)) as (app, _pilot):
        assert screen_text(app).count("npudeck fleet drain demo-1") == 1
    async with console(_one(replace(told, fix="repair it"))) as (app, _pilot):
        assert "npudeck fleet drain demo-1 keeps new runs off it" in screen_text(app)


async def test_commands_name_the_inventory_that_was_named(console: OpenConsole) -> None:
    told = Finding("x", Level.ALARM, "demo-1", 0, 0, "bad", "", "npudeck fleet drain demo-1; repair it", NOW)
    remember_inventory("/f.toml")
    try:
        async with console(_one(told), size=(80, 40)) as (app, pilot):
            assert "npudeck -i /f.toml fleet drain demo-1; repair it" in screen_text(app)
            await pilot.press("p")
            await settled(pilot)
            assert "first: npudeck -i /f.toml fleet drain demo-1; repair it" in screen_text(app)
        async with console(_one(replace(told, fix="repair it"))) as (app, _pilot):
            assert "npudeck -i /f.toml fleet drain demo-1 keeps new runs off it" in screen_text(app)
    finally:
        remember_inventory(None)
