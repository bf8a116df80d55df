"""Both themes can be read, and nothing rests on colour alone."""

from __future__ import annotations

import made_fleets
import pytest
from screen_text import screen_text, settled
from textual.color import Color
from waiting import OpenConsole

from tui.app import NpudeckApp
from tui.theme_files import LIGHT, NAMES, load_theme

LEVELS = ("mark-well", "mark-warning", "mark-alarm", "mark-critical", "mark-unknown")
TEXTS = (*LEVELS, "text-dim", "chart-loss", "chart-speed")
MARKS = ("heat-1", "heat-2", "heat-3", "heat-4", "heat-5")


def _contrast(one: str, other: str) -> float:
    """WCAG 2.1 contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
            for c in Color.parse(colour).normalized
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", NAMES)
def test_contrast(name: str) -> None:
    theme = load_theme(name)
    backs = (theme.background, theme.surface, theme.panel)
    for back in backs:
        assert _contrast(theme.foreground, back) >= 7, back
        assert _contrast(theme.accent, back) >= 4.5, back
        for text in TEXTS:
            assert _contrast(theme.variables[text], back) >= 4.5, (text, back)
    cursor = theme.variables["cursor-back"]
    for text in LEVELS:
        assert _contrast(theme.variables[text], cursor) >= 4.5, text
    for mark in MARKS:
        assert _contrast(theme.variables[mark], theme.background) >= 3, mark


@pytest.mark.parametrize("name", NAMES)
def test_both_themes_name_the_same_colours(name: str) -> None:
    assert set(load_theme(name).variables) == set(load_theme(LIGHT).variables)


async def test_the_theme_changes_at_run_time_and_the_text_stays(console: OpenConsole) -> None:
    async with console(made_fleets.demo_desk()) as (app, pilot):
        before = screen_text(app)
        await pilot.press("f2")
        await settled(pilot)
        assert app.theme == LIGHT
        assert screen_text(app) == before


async def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = NpudeckApp(made_fleets.demo_desk())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.no_color
        assert "▲warn" in screen_text(app)
        assert "silent" in screen_text(app)
