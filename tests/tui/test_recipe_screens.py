"""The form edits every kind of field, and the rules answer while one types."""

from __future__ import annotations

import re

import fake_desk
import pytest
from made_fleets import desk_with_recipe
from screen_text import screen_lines, screen_text, settled
from textual.events import Paste
from textual.widgets import Input
from waiting import OpenConsole

from backend.problems import InputError
from backend.recipes.fields import FIELDS, Recipe
from tui.inks import Inks
from tui.recipe_draft import RecipeDraft
from tui.recipe_words import derived_text
from tui.widgets.field_row import FieldRow, RowInput


async def _go(pilot, name: str) -> None:
    pilot.app.screen.query_one(f"#field-{name}", FieldRow).focus()
    await settled(pilot)


async def test_the_form_has_every_field_once_unfolded(console: OpenConsole) -> None:
    async with console(desk_with_recipe()) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        folded = {row.field.name for row in app.screen.query(FieldRow)}
        assert "weight_decay" not in folded
        assert "model" in folded
        await pilot.press("m")
        await settled(pilot)
        assert {row.field.name for row in app.screen.query(FieldRow)} == {field.name for field in FIELDS}


async def test_lora_brings_its_fields(console: OpenConsole, wait) -> None:
    async with console(desk_with_recipe()) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await _go(pilot, "run_type")
        await pilot.press("left")
        await settled(pilot)
        assert app.session.draft.recipe.run_type == "lora"


async def test_typing_a_number_and_the_problem_with_it(console: OpenConsole, wait) -> None:
    async with console(desk_with_recipe(), (120, 30)) as (app, pilot):
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
    async with console(desk_with_recipe(), (120, 30)) as (app, pilot):
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
    async with console(desk_with_recipe()) as (app, pilot):
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
    async with console(desk_with_recipe()) as (app, pilot):
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
    async with console(desk_with_recipe(clip_grad=-1.0)) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await pilot.press("tab")
        await settled(pilot)
        assert "Will it work?" in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert app.focused.field.name == "clip_grad"


async def test_bool_and_default(console: OpenConsole) -> None:
    async with console(desk_with_recipe()) as (app, pilot):
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
    desk = desk_with_recipe()
    async with console(desk) as (app, pilot):
        await pilot.press("3", "s")
        await wait(pilot, lambda: desk.saved)
        assert desk.saved[-1][1] == "recipe.toml"
    desk = desk_with_recipe()
    desk.recipe_path = ""
    async with console(desk) as (app, pilot):
        await pilot.press("3", "s")
        await wait(pilot, lambda: "Save the recipe to" in screen_text(app))
        await pilot.press("end", *".new", "enter")
        await wait(pilot, lambda: desk.saved)
        assert desk.saved[-1][1] == "recipe.toml.new"
        assert not app.session.draft.dirty


async def test_a_foreign_file_is_overwritten_only_after_a_yes(console: OpenConsole, wait, tmp_path) -> None:
    foreign = tmp_path / "theirs.toml"
    foreign.write_text("theirs")
    desk = desk_with_recipe()
    desk.recipe_path = ""
    async with console(desk) as (app, pilot):
        await pilot.press("3", "s")
        await wait(pilot, lambda: "Save the recipe to" in screen_text(app))
        app.screen.query_one(Input).value = str(foreign)
        await pilot.press("enter")
        await wait(pilot, lambda: "Overwrite?" in screen_text(app))
        await wait(pilot, lambda: "⏎ overwrite   esc back" in screen_lines(app)[-1])
        await pilot.press("escape")
        await settled(pilot)
        assert desk.saved == []
        assert "Save the recipe to" in screen_text(app)
        await wait(pilot, lambda: "⏎ save   esc back" in screen_lines(app)[-1])
        await pilot.press("enter")
        await wait(pilot, lambda: "Overwrite?" in screen_text(app))
        await pilot.press("enter")
        await wait(pilot, lambda: desk.saved)
        await settled(pilot)
        assert desk.saved[-1][1] == str(foreign)
        await pilot.press("s")
        await wait(pilot, lambda: len(desk.saved) == 2)  # its own file now: not asked again


@pytest.mark.parametrize("path", ["", "mine.toml"])
async def test_a_save_that_fails_stays_with_its_reason(console: OpenConsole, wait, path: str) -> None:
    class Full(fake_desk.FakeDesk):
        def save_recipe(self, recipe: Recipe, path: str) -> None:
            if not path.endswith(".b"):
                raise InputError.because("the disk is full")
            super().save_recipe(recipe, path)

    desk = Full(fake_desk.small_inventory(), fake_desk.demo_recipe(), path)
    async with console(desk) as (app, pilot):
        await pilot.press("3", "s")
        if not path:
            await wait(pilot, lambda: "Save the recipe to" in screen_text(app))
            await pilot.press("enter")
        await wait(pilot, lambda: "✖ the disk is full" in screen_text(app))
        assert "Save the recipe to" in screen_text(app)
        await pilot.press("end", *".b", "enter")
        await wait(pilot, lambda: desk.saved)
        await wait(pilot, lambda: "Save the recipe to" not in screen_text(app))


@pytest.mark.parametrize("key", ["s", "enter", "escape"])
async def test_leaving_with_unsaved_changes_asks(console: OpenConsole, wait, key: str) -> None:
    desk = desk_with_recipe()
    async with console(desk) as (app, pilot):
        app.session.draft.type("seed", "7")
        await pilot.press("q")
        await wait(pilot, lambda: "Leave?" in screen_text(app))
        await wait(pilot, lambda: "s save and leave" in screen_lines(app)[-1])
        await pilot.press(key)
        if key == "escape":
            await wait(pilot, lambda: "Leave?" not in screen_text(app))
            assert not desk.closed
    assert desk.closed
    assert bool(desk.saved) == (key == "s")


LONG = "/srv/share/" + "a-directory/" * 12 + "topics.jsonl"


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (160, 45)])
async def test_a_long_value_is_edited_at_its_end_and_shown_cut(console: OpenConsole, wait, size) -> None:
    async with console(desk_with_recipe(data_path=LONG), size) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await _go(pilot, "data_path")
        await pilot.press("enter", "end")
        await wait(pilot, lambda: "⏎ take" in screen_lines(app)[-1])
        line = next(line for line in screen_lines(app) if "data path" in line)
        assert "topics.jsonl " in line
        assert not app.screen.query_one(RowInput).show_horizontal_scrollbar or (
            app.screen.query_one(RowInput).scrollbar_size_horizontal == 0
        )
        await pilot.press("escape")
        await wait(pilot, lambda: "⏎ edit" in screen_lines(app)[-1])
        line = next(line for line in screen_lines(app) if "data path" in line)
        assert re.search(r"…\S+topics\.jsonl", line)


async def test_two_panes_leave_the_values_their_room(console: OpenConsole) -> None:
    async with console(desk_with_recipe(), (100, 30)) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        text = screen_text(app)
        assert "GeneralPretrainHandler" in text
        assert "MODEL_NAME    tiny" not in text
        assert all(value.size.width >= 24 for value in app.screen.query(".field-value"))


def test_nothing_is_worked_out_from_a_refused_value() -> None:
    recipe = fake_desk.demo_recipe()
    lines = derived_text(recipe, Inks(), {"global_batch_size": "abc"}).plain.splitlines()
    assert lines[1:] == ["120 iterations, 2 checkpoints on the way", "not known: GBS is “abc”"]
    lines = derived_text(recipe, Inks(), {"nodes": "x"}).plain.splitlines()
    assert lines[0] == "not known: NNODES is “x”"
    assert len(lines) == 2
    assert "GBS 8 = MBS 2" in derived_text(recipe, Inks()).plain


async def test_one_word_at_a_time(console: OpenConsole) -> None:
    async with console(desk_with_recipe(), (100, 30)) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await pilot.press(".", ".", ".")
        await settled(pilot)
        assert screen_text(app).count("There is no value to suggest here.") == 1


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
