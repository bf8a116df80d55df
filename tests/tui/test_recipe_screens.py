"""The form edits every kind of field, the rules answer while one types, and a launch is asked for once."""

from __future__ import annotations

import dataclasses

import fake_desk
import pytest
from conftest import OpenConsole
from screen_text import screen_text, settled
from textual.events import Paste

from backend.problems import ConflictError, Problem, Severity
from backend.recipes.fields import FIELDS, Recipe
from tui.recipe_draft import RecipeDraft
from tui.widgets.field_row import FieldRow


def _desk(**changes: object) -> fake_desk.FakeDesk:
    desk = fake_desk.demo_desk(runs=False)
    desk.recipe = dataclasses.replace(desk.recipe, **changes)
    return desk


async def _go(pilot, name: str) -> None:
    pilot.app.screen.query_one(f"#field-{name}", FieldRow).focus()
    await settled(pilot)


async def test_the_form_has_every_field_once_unfolded(console: OpenConsole) -> None:
    async with console(_desk()) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        folded = {row.field.name for row in app.screen.query(FieldRow)}
        assert "weight_decay" not in folded
        assert "model" in folded
        await pilot.press("m")
        await settled(pilot)
        assert {row.field.name for row in app.screen.query(FieldRow)} == {field.name for field in FIELDS}


async def test_lora_brings_its_fields(console: OpenConsole, wait) -> None:
    async with console(_desk()) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await _go(pilot, "run_type")
        await pilot.press("left")
        await settled(pilot)
        assert app.session.draft.recipe.run_type == "lora"


async def test_typing_a_number_and_the_problem_with_it(console: OpenConsole, wait) -> None:
    async with console(_desk(), (120, 30)) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await _go(pilot, "global_batch_size")
        await pilot.press("enter", "9")
        await wait(pilot, lambda: "✖ GBS 9 is not divisible" in screen_text(app))
        await pilot.press("enter")
        await settled(pilot)
        assert app.session.draft.recipe.global_batch_size == 9
        assert app.focused.field.name == "seq_length"
        await _go(pilot, "global_batch_size")
        await pilot.press("full_stop")
        await wait(pilot, lambda: "nothing stands in the way" in screen_text(app))
        assert app.session.draft.recipe.global_batch_size == 8


async def test_a_text_that_is_no_number_is_kept_and_explained(console: OpenConsole, wait) -> None:
    async with console(_desk(), (120, 30)) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await _go(pilot, "lr")
        await pilot.press("enter", *"fast", "enter")
        await wait(pilot, lambda: "fast" in screen_text(app) and "1 error" in screen_text(app))
        assert app.session.draft.recipe.lr == 3e-3
        await pilot.press("s")
        await settled(pilot)
        assert app.session.desk.saved == []


async def test_escape_brings_the_old_value_back(console: OpenConsole, wait) -> None:
    async with console(_desk()) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await _go(pilot, "model")
        await pilot.press("enter", *"q123", "escape")
        await settled(pilot)
        assert app.session.draft.recipe.model == "tiny-llama"
        assert app.current_mode == "recipe"
        assert isinstance(app.focused, FieldRow)


@pytest.mark.parametrize("editing", [True, False])
async def test_pasting_a_path(console: OpenConsole, wait, editing: bool) -> None:
    async with console(_desk()) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await _go(pilot, "data_path")
        if editing:
            await pilot.press("enter")
            await settled(pilot)
        app.post_message(Paste("/srv/share/new data/über.jsonl\n"))
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert app.session.draft.recipe.data_path == "/srv/share/new data/über.jsonl"


async def test_enter_on_a_problem_goes_to_its_field_even_if_it_is_folded(console: OpenConsole) -> None:
    async with console(_desk(clip_grad=-1.0)) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await pilot.press("tab")
        await settled(pilot)
        assert "Will it work?" in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert app.focused.field.name == "clip_grad"


async def test_bool_and_default(console: OpenConsole) -> None:
    async with console(_desk()) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await _go(pilot, "convert_to_hf")
        await pilot.press("space")
        await settled(pilot)
        assert app.session.draft.recipe.convert_to_hf is True
        await pilot.press("delete")
        await settled(pilot)
        assert app.session.draft.recipe.convert_to_hf is False


async def test_save_to_its_file_and_to_a_new_one(console: OpenConsole, wait) -> None:
    desk = _desk()
    async with console(desk) as (app, pilot):
        await pilot.press("3", "s")
        await wait(pilot, lambda: desk.saved)
        assert desk.saved[-1][1] == "recipe.toml"
    desk = _desk()
    desk.recipe_path = ""
    async with console(desk) as (app, pilot):
        await pilot.press("3", "s")
        await wait(pilot, lambda: "Save the recipe to" in screen_text(app))
        await pilot.press("end", *".new", "enter")
        await wait(pilot, lambda: desk.saved)
        assert desk.saved[-1][1] == "recipe.toml.new"
        assert not app.session.draft.dirty


async def test_one_node_is_launched_at_once(console: OpenConsole, wait) -> None:
    desk = _desk(nodes=1, npus_per_node=4)
    async with console(desk) as (app, pilot):
        await pilot.press("ctrl+l")
        await wait(pilot, lambda: desk.launched)
        await wait(pilot, lambda: "Runs › r1" in screen_text(app))


async def test_two_nodes_want_their_number(console: OpenConsole, wait) -> None:
    desk = _desk()
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
    desk = _desk(global_batch_size=9)
    async with console(desk) as (app, pilot):
        await pilot.press("L")
        await wait(pilot, lambda: "1 error stops the launch." in screen_text(app))
        await wait(pilot, lambda: "Will it work?" in screen_text(app))
        assert desk.launched == []


async def test_blockers_refuse_a_launch(console: OpenConsole, wait) -> None:
    desk = _desk()
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


def test_the_draft_knows_what_is_unsaved() -> None:
    draft = RecipeDraft(fake_desk.demo_recipe(), "a.toml")
    assert not draft.dirty
    draft.type("tensor_parallel", "x")
    assert draft.dirty
    assert draft.text("tensor_parallel") == "x"
    assert draft.unread[0].field == "tensor_parallel"
    draft.type("tensor_parallel", "2")
    assert not draft.dirty
    draft.type("samples", "1000")
    assert draft.recipe.samples == 1000
    draft.type("samples", "")
    assert draft.recipe.samples is None
    draft.mark_saved("b.toml")
    assert (draft.dirty, draft.path) == (False, "b.toml")
