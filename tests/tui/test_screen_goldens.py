"""Every screen as text, at 80x24 and 160x45: what a person reads, to be read in review."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import made_fleets
import made_runs
import pytest
from fake_desk import FakeDesk
from screen_text import screen_text, settled
from syrupy.assertion import SnapshotAssertion
from waiting import OpenConsole

from tui.widgets.log_view import LogView

SIZES = [(80, 24), (160, 45)]
Wait = Callable[..., Awaitable[None]]


def _with(add: Callable[[FakeDesk], None]) -> Callable[[], FakeDesk]:
    def make() -> FakeDesk:
        desk = made_fleets.demo_desk(runs=False)
        add(desk)
        return desk

    return make


def _bad_recipe() -> FakeDesk:
    return made_fleets.desk_with_recipe(
        global_batch_size=9, data_path="topics.jsonl", min_lr=1.0, train_iterations=None
    )


SCENES: dict[str, tuple[Callable[[], FakeDesk], str]] = {
    "fleet": (made_fleets.demo_desk, ""),
    "fleet_of_32": (made_fleets.big_desk, ""),
    "fleet_of_32_hbm": (made_fleets.big_desk, "m"),
    "fleet_silent_node": (made_fleets.demo_desk, "down"),
    "fleet_ill": (made_fleets.ill_desk, ""),
    "fleet_problems": (made_fleets.ill_desk, "p"),
    "node_ill": (made_fleets.ill_desk, "enter"),
    "node_without_answers": (made_fleets.ill_desk, "down down enter right right"),
    "node_silent": (made_fleets.demo_desk, "down enter"),
    "no_inventory": (lambda: FakeDesk(None), ""),
    "runs": (made_fleets.demo_desk, "2"),
    "no_runs": (lambda: made_fleets.demo_desk(runs=False), "2"),
    "run_running": (_with(made_runs.add_running), "2 enter LOG"),
    "run_nodes": (_with(made_runs.add_running), "2 enter LOG tab tab"),
    "run_preparing": (_with(made_runs.add_preparing), "2 enter LOG"),
    "run_failed": (_with(made_runs.add_failed), "2 enter LOG"),
    "run_unknown": (_with(made_runs.add_unknown), "2 enter LOG"),
    "run_zoomed_filtered": (_with(made_runs.add_running), "2 enter LOG z slash w a r n enter"),
    "recipe": (made_fleets.demo_desk, "3"),
    "recipe_advanced": (made_fleets.demo_desk, "3 m end"),
    "recipe_editing": (made_fleets.demo_desk, "3 down down enter"),
    "recipe_problems": (_bad_recipe, "3 tab"),
    "plan": (made_fleets.demo_desk, "3 v"),
    "launch_confirm": (made_fleets.demo_desk, "L"),
    "stop_confirm": (_with(made_runs.add_running), "2 enter LOG S"),
    "help_fleet": (made_fleets.demo_desk, "question_mark"),
    "help_recipe": (made_fleets.demo_desk, "3 question_mark"),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", SCENES)
async def test_screen(
    scene: str, size: tuple[int, int], console: OpenConsole, wait: Wait, snapshot: SnapshotAssertion
) -> None:
    make, keys = SCENES[scene]
    async with console(make(), size) as (app, pilot):
        for key in keys.split():
            if key == "LOG":
                await wait(pilot, lambda: app.screen.query_one(LogView).line_count > 0)
            else:
                await pilot.press(key)
            await settled(pilot)
        assert screen_text(app) == snapshot


async def test_too_small(console: OpenConsole, snapshot: SnapshotAssertion) -> None:
    async with console(made_fleets.demo_desk(), (50, 12)) as (app, _pilot):
        assert screen_text(app) == snapshot


async def test_no_live_data(console: OpenConsole, wait: Wait, snapshot: SnapshotAssertion) -> None:
    desk = made_fleets.demo_desk()
    async with console(desk, (80, 24)) as (app, pilot):
        desk.end()
        await wait(pilot, lambda: app.session.feed.ended)
        await settled(pilot)
        assert screen_text(app).splitlines()[0] == snapshot
