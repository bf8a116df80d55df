"""A log follows, filters, keeps what it was told, and never trusts what a node printed."""

from __future__ import annotations

import json

import pytest
from textual.app import App, ComposeResult

from tui.inks import Inks
from tui.log_words import readable
from tui.theme_files import DARK, load_theme
from tui.widgets import log_view
from tui.widgets.log_view import LogView


class _Window(App[None]):
    def compose(self) -> ComposeResult:
        inks = Inks()
        inks.take(load_theme(DARK))
        yield LogView(inks)


def _shown(view: LogView) -> list[str]:
    return [
        "".join(segment.text for segment in view.render_line(y)).rstrip() for y in range(view.size.height)
    ]


async def test_it_follows_until_it_is_scrolled_up() -> None:
    async with _Window().run_test(size=(40, 10)) as pilot:
        view = pilot.app.query_one(LogView)
        view.focus()
        view.append_lines([f"line {n}" for n in range(100)])
        await pilot.pause()
        assert _shown(view)[-1] == "line 99"
        await pilot.press("up")
        assert not view.follow
        view.append_lines(["line 100"])
        await pilot.pause()
        assert _shown(view)[-1] == "line 98"
        await pilot.press("end")
        await pilot.pause()
        assert view.follow
        assert _shown(view)[-1] == "line 100"


async def test_markup_and_escapes_of_a_node_are_plain_text() -> None:
    async with _Window().run_test(size=(60, 5)) as pilot:
        view = pilot.app.query_one(LogView)
        view.append_lines(["[rank0] \x1b[31m[bold]hot[/bold]\x1b[0m\x07", "[/nothing] [@click=quit]x[/]"])
        await pilot.pause()
        assert _shown(view)[:2] == ["[rank0] [bold]hot[/bold]", "[/nothing] [@click=quit]x[/]"]


async def test_a_filter_applies_to_old_and_new_lines() -> None:
    async with _Window().run_test(size=(60, 8)) as pilot:
        view = pilot.app.query_one(LogView)
        view.append_lines(["one ERROR", "two", "three error"])
        view.set_filter("Error")
        view.append_lines(["four", "five errors"])
        assert view.shown_lines() == ["one ERROR", "three error", "five errors"]
        view.set_filter("")
        assert len(view.shown_lines()) == 5


async def test_old_lines_are_cut_in_big_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_view, "KEPT_LINES", 100)
    async with _Window().run_test(size=(60, 8)) as pilot:
        view = pilot.app.query_one(LogView)
        view.append_lines([f"line {n}" for n in range(105)])
        assert view.line_count == 105
        view.append_lines([f"line {n}" for n in range(105, 120)])
        assert view.line_count == 100
        assert view.shown_lines()[0] == "line 20"


def test_lines_of_our_own_jobs_are_sentences() -> None:
    progress = {"progress": {"done": 31200, "total": 52002, "unit": "records", "text": "tokenising"}}
    assert readable(json.dumps(progress)) == " 60 %  31,200 of 52,002 records  tokenising"
    progress["progress"] |= {"unit": "bytes", "total": 52_002_112, "done": 31_200_000}
    assert readable(json.dumps(progress)) == " 60 %  31.2 MB of 52.0 MB  tokenising"
    problem = {
        "field": "hf_weights",
        "severity": "error",
        "what": "no config.json",
        "why": "",
        "fix": "copy it",
    }
    assert readable(json.dumps(problem)) == "ERROR: no config.json; copy it"


@pytest.mark.parametrize("line", ['{"loss": 1}', '{"progress": 3}', '{"broken', '{"a":' * 3000, "plain"])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert readable(line) == line
