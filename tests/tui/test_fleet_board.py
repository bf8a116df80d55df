"""Rows, counts and concerns worked out from state."""

from __future__ import annotations

from dataclasses import replace

import fake_desk
import made_fleets
from fake_desk import NOW, FakeDesk
from made_fleets import device, observed

from backend.events import Level
from tui.fleet_board import FleetBoard, Measure


def _board(desk: FakeDesk) -> FleetBoard:
    return FleetBoard(desk.fleet, desk.runs, "npudeck.toml")


def test_worst_first_and_well_nodes_fold() -> None:
    rows = _board(made_fleets.big_desk()).rows(Measure.HEALTH, NOW, 8, False)
    assert [row.node for row in rows[:4]] == ["n14", "n19", "n07", "n21"]
    assert len(rows) == 8
    assert rows[-1].folded == 32 - 7
    assert rows[-1].level is Level.WELL


def test_nothing_that_is_ill_is_ever_folded() -> None:
    rows = _board(made_fleets.big_desk()).rows(Measure.HEALTH, NOW, 2, False)
    assert [row.level for row in rows[:-1]] == [Level.ALARM, Level.ALARM, Level.WARNING, Level.UNKNOWN]


def test_unfolded_shows_every_node() -> None:
    assert len(_board(made_fleets.big_desk()).rows(Measure.HEALTH, NOW, 8, True)) == 32


def test_missing_and_unknown_are_not_well() -> None:
    rows = {row.node: row for row in _board(made_fleets.big_desk()).rows(Measure.AICORE, NOW, 99, True)}
    assert (rows["n19"].cells[7].glyph, rows["n19"].cells[7].text) == ("✖", "gone")
    assert {cell.glyph for cell in rows["n21"].cells} == {"?"}
    assert rows["n21"].seen == "silent 14 s"


def test_a_measure_that_the_tool_does_not_print_is_a_dash() -> None:
    desk = FakeDesk(fake_desk.small_inventory(1, 1))
    blind = replace(
        device(0), aicore_pct=None, hbm_used_mb=None, hbm_total_mb=None, temp_c=None, power_w=None
    )
    desk.apply(observed("demo-1", (blind,)))
    for measure in list(Measure)[1:]:
        (row,) = _board(desk).rows(measure, NOW, 9, False)
        assert row.cells[0].glyph == "–"


def test_a_run_of_another_inventory_is_on_none_of_these_nodes() -> None:
    desk = FakeDesk(fake_desk.small_inventory(1, 1))
    board = FleetBoard(desk.fleet, desk.runs, "npudeck.toml")
    desk.apply(observed("demo-1", (device(0),)), fake_desk.created("r1", NOW, nodes=("demo-1",)))
    assert board.rows(Measure.HEALTH, NOW, 9, False)[0].run == "r1"
    desk.apply(replace(fake_desk.created("r2", NOW + 1, nodes=("demo-1",)), inventory_path="/other.toml"))
    assert [run.run_id for run in board.runs_on("demo-1")] == ["r1"]
    assert board.rows(Measure.HEALTH, NOW, 9, False)[0].run == "r1"


def test_counts_agree_with_the_state() -> None:
    desk = made_fleets.big_desk()
    assert _board(desk).counts() == desk.fleet.counts()


def test_concerns_are_sentences_worst_first() -> None:
    concerns = _board(made_fleets.big_desk()).concerns()
    assert [(c.node, c.level) for c in concerns] == [
        ("n14", Level.ALARM), ("n19", Level.ALARM), ("n07", Level.WARNING), ("n21", Level.UNKNOWN)
    ]  # fmt: skip
    assert "ssh: connection timed out" in concerns[-1].what


def test_verdicts_follow_a_new_reading() -> None:
    desk = FakeDesk(fake_desk.small_inventory(1, 1))
    board = _board(desk)
    desk.apply(observed("demo-1", (device(0),)))
    assert board.level(desk.fleet.nodes["demo-1"]) is Level.WELL
    desk.apply(observed("demo-1", (device(0, health="Critical"),)))
    assert board.level(desk.fleet.nodes["demo-1"]) is Level.CRITICAL
