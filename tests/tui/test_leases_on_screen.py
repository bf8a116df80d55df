"""Which node is held, by whom, since when; drained ones too; and nothing is called free that is not known."""

from __future__ import annotations

from dataclasses import replace

import fake_desk
import made_fleets
import pytest
from fake_desk import NOW, FakeDesk
from made_fleets import device, observed
from screen_text import screen_lines, screen_text, settled
from waiting import OpenConsole

from backend.state.lease import Lease, NodeLeases

HELD = Lease("all", "r9-44ab", "ops2@gate", NOW - 5400, "held", 40)


def _desk(*leases: Lease, at: float = NOW - 4) -> FakeDesk:
    desk = FakeDesk(fake_desk.small_inventory(1, 2))
    desk.apply(observed("demo-1", (device(0), device(1))))
    desk.fleet.holdings = {"demo-1": NodeLeases(at, leases)}
    return desk


async def test_a_node_that_another_bastion_holds(console: OpenConsole) -> None:
    async with console(_desk(HELD)) as (app, pilot):
        assert "ops2" in screen_lines(app)[4]
        assert "held      all of it by ops2@gate since 10:43:20, 1 h ago, run r9-44ab" in screen_text(app)
        await pilot.press("r")
        await settled(pilot)
        assert "No run of this console is on demo-1." in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert "held      all of it by ops2@gate" in screen_text(app)


async def test_the_node_of_an_own_run_names_the_run_once(console: OpenConsole) -> None:
    async with console(made_fleets.ill_desk()) as (app, _pilot):
        text = screen_text(app)
        assert "r4 of ops1 since 12:11:40" in text
        assert "held      " not in text


async def test_one_card_is_held_and_the_other_is_free(console: OpenConsole) -> None:
    one = replace(HELD, device="1", run_key="by-hand-ops2-gate", why="pro[b]filing\x1b[2J")
    async with console(_desk(one)) as (app, pilot):
        assert "free      nobody holds it" in screen_text(app)
        await pilot.press("right")
        await settled(pilot)
        text = screen_text(app)
        assert "held      NPU 1 by ops2@gate since 10:43:20, 1 h ago, by hand:" in text
        assert "pro[b]filing" in text


@pytest.mark.parametrize(
    ("lease", "cell", "words"),
    [
        (replace(HELD, state="orphaned", quiet_s=2400, alive=3), "ops2", "not renewed for 40 min, but 3 of"),
        (replace(HELD, state="broken", run_key=""), "broken", "its lease cannot be read, so nobody gets it"),
        (replace(HELD, state="silent"), "", "free      its lease ran out; it was all of it by ops2@gate"),
        (replace(HELD, state="reboot"), "", "free      the machine has been started since"),
        (replace(HELD, actor="ann (root@gate)"), "ann", "held      all of it by ann (root@gate) since"),
        (replace(HELD, since=1e300), "ops2", "held      all of it by ops2@gate, run r9-44ab"),
    ],
)
async def test_leases_that_are_not_simply_held(console: OpenConsole, lease, cell, words) -> None:
    async with console(_desk(lease)) as (app, _pilot):
        assert words in screen_text(app)
        assert screen_lines(app)[4].split()[4:-2] == ([cell] if cell else [])


async def test_a_long_name_is_cut_before_the_next_column(console: OpenConsole) -> None:
    desk = FakeDesk(fake_desk.small_inventory(1, 8))
    desk.apply(observed("demo-1", tuple(map(device, range(8)))))
    holder = replace(HELD, actor="a-person-with-a-long-name (root@gate)")
    desk.fleet.holdings = {"demo-1": NodeLeases(NOW - 4, (holder,))}
    async with console(desk, size=(80, 24)) as (app, _pilot):
        line = next(line for line in screen_lines(app) if "▸ demo-1" in line)
        held = line.split("●")[-1].split()[0]
        assert held.endswith("…")
        assert "a-person-with-a-long-name".startswith(held[:-1])
        assert f"{held} now" in line


async def test_what_is_not_known_is_not_free(console: OpenConsole) -> None:
    desk = _desk()
    async with console(desk) as (app, pilot):
        desk.fleet.holdings = {}
        app._tick()
        await settled(pilot)
        text = screen_text(app)
        assert "nobody holds it" not in text
        assert "no run of this console on demo-1; who else holds it is not known" in text


async def test_an_old_answer_says_so(console: OpenConsole) -> None:
    async with console(_desk(HELD, at=NOW - 300)) as (app, _pilot):
        assert "as the node said 5 min ago" in screen_text(app)


async def test_who_drained_a_node_and_when(console: OpenConsole) -> None:
    async with console(made_fleets.ill_desk()) as (app, pilot):
        await pilot.press("end")
        await settled(pilot)
        text = screen_text(app)
        assert "⊖ demo-1 is drained: cable ordered (ops2@gate, 11:28:20, 45 min ago)" in text
