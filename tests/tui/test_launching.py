"""A launch is asked for once, and refused with its reason."""

from __future__ import annotations

import dataclasses

import fake_desk
import made_fleets
from fake_desk import NOW
from made_fleets import desk_with_recipe, device, observed
from screen_text import screen_text, settled
from waiting import OpenConsole

from backend.events import NodeNotReached
from backend.problems import ConflictError, Problem, Severity
from backend.recipes.fields import Recipe


async def test_the_question_names_nodes_and_what_speaks_against_them(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk()
    desk.apply(
        NodeNotReached("demo-2", NOW, "timed out"), observed("demo-1", (device(0, health="Alarm"), device(1)))
    )
    async with console(desk) as (app, pilot):
        await pilot.press("L")
        await wait(pilot, lambda: "on demo-1, demo-2" in screen_text(app))
        text = screen_text(app)
        assert "✖ demo-1: 1 NPU in alarm" in text
        assert "? demo-2: not reached; its NPUs are unknown" in text
        assert "▲ demo-1: used by run r4" in text


async def test_one_node_is_launched_at_once(console: OpenConsole, wait) -> None:
    desk = desk_with_recipe(nodes=1, npus_per_node=4)
    async with console(desk) as (app, pilot):
        await pilot.press("ctrl+l")
        await wait(pilot, lambda: desk.launched)
        await wait(pilot, lambda: "Runs › r1" in screen_text(app))


async def test_two_nodes_want_their_number(console: OpenConsole, wait) -> None:
    desk = desk_with_recipe()
    async with console(desk) as (app, pilot):
        await pilot.press("L", "enter")
        await settled(pilot)
        assert "Type the number of nodes first." in screen_text(app)
        await pilot.press("1", "enter")
        await settled(pilot)
        assert desk.launched == []
        await pilot.press("2", "enter")
        await wait(pilot, lambda: "Runs › r1" in screen_text(app))
        assert desk.launched == [desk.recipe]
        await wait(pilot, lambda: "preparing since" in screen_text(app))


async def test_errors_refuse_a_launch_and_are_shown(console: OpenConsole, wait) -> None:
    desk = desk_with_recipe(global_batch_size=9)
    async with console(desk) as (app, pilot):
        await pilot.press("L")
        await wait(pilot, lambda: "1 error stops the launch." in screen_text(app))
        await wait(pilot, lambda: "Will it work?" in screen_text(app))
        assert desk.launched == []


async def test_blockers_refuse_a_launch(console: OpenConsole, wait) -> None:
    desk = desk_with_recipe()
    desk.blockers = (Problem("engine", Severity.ERROR, "this engine only renders", fix="take native"),)
    async with console(desk, (120, 30)) as (app, pilot):
        await pilot.press("L")
        await wait(pilot, lambda: "this engine only renders" in screen_text(app))
        assert desk.launched == []


async def test_a_launch_that_fails_says_why_and_stays(console: OpenConsole, wait) -> None:
    class Held(fake_desk.FakeDesk):
        async def launch(self, recipe: Recipe) -> str:
            raise ConflictError.because("demo-1 is held by ops2 [r9]")

    desk = Held(
        fake_desk.small_inventory(), dataclasses.replace(fake_desk.demo_recipe(), nodes=1, npus_per_node=4)
    )
    async with console(desk, (120, 30)) as (app, pilot):
        await pilot.press("L")
        await wait(pilot, lambda: "demo-1 is held by ops2 [r9]" in screen_text(app))


async def test_without_a_fleet_nothing_is_launched(console: OpenConsole, wait) -> None:
    async with console(fake_desk.FakeDesk(None)) as (app, pilot):
        await pilot.press("L")
        await wait(pilot, lambda: "There is no fleet to launch on" in screen_text(app))
