"""One registry: footer, help, palette and bindings agree, and every action exists."""

from __future__ import annotations

import made_fleets
import pytest
from screen_text import screen_lines, screen_text, settled
from waiting import OpenConsole

from tui.actions import ACTIONS, FLEET, NODE, RECIPE, RUN, RUNS, footer_of
from tui.app import NpudeckApp
from tui.screens.fleet_screen import FleetScreen
from tui.screens.node_screen import NodeScreen
from tui.screens.recipe_screen import RecipeScreen
from tui.screens.run_screen import RunScreen
from tui.screens.runs_screen import RunsScreen

OWNERS = {
    "app": NpudeckApp,
    FLEET: FleetScreen,
    NODE: NodeScreen,
    RUNS: RunsScreen,
    RUN: RunScreen,
    RECIPE: RecipeScreen,
}


def test_names_are_unique_and_keys_do_not_clash() -> None:
    assert len({action.name for action in ACTIONS}) == len(ACTIONS)
    for screen in (FLEET, NODE, RUNS, RUN, RECIPE):
        keys = [key for a in ACTIONS if a.screen in (screen, "app") for key in a.keys.split(",")]
        assert len(set(keys)) == len(keys), screen


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_action_is_there(action) -> None:
    method = action.method.partition(".")[2]
    assert hasattr(OWNERS[action.screen], f"action_{method}")


@pytest.mark.parametrize("screen", [FLEET, NODE, RUNS, RUN, RECIPE])
def test_the_footer_fits_eighty_columns(screen: str) -> None:
    actions = footer_of(screen)
    assert len(actions) <= 7
    assert 1 + sum(len(f"{a.shown} {a.title}   ") for a in actions) - 3 <= 80
    assert actions[-1].name == "app.help"


async def test_the_palette_runs_an_action(console: OpenConsole, wait) -> None:
    async with console(made_fleets.demo_desk()) as (app, pilot):
        await pilot.press("colon")
        await pilot.press(*"measure")
        await wait(pilot, lambda: "Show health, HBM" in screen_text(app))
        await pilot.press("enter")
        await wait(pilot, lambda: "Fleet · HBM" in screen_text(app))


async def test_a_click_on_the_footer_and_on_a_tab(console: OpenConsole) -> None:
    async with console(made_fleets.demo_desk()) as (app, pilot):
        await pilot.click("#tabs", offset=(12, 0))
        await settled(pilot)
        assert app.current_mode == RUNS
        place = screen_lines(app)[-1].index("? all keys")
        await pilot.click("#keys", offset=(place, 0))
        await settled(pilot)
        assert "Keys · Runs" in screen_text(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "Keys · Runs" not in screen_text(app)


async def test_q_leaves_and_closes_the_desk(console: OpenConsole) -> None:
    desk = made_fleets.demo_desk()
    async with console(desk) as (_app, pilot):
        await pilot.press("q")
    assert desk.closed
