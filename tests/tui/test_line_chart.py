"""Curves keep their spikes, say what they wait for, and cost the same however long they are."""

from __future__ import annotations

import math
import time

from rich.style import Style
from textual.app import App, ComposeResult

from backend.telemetry.series import SeriesPyramid
from tui.inks import Inks
from tui.theme_files import DARK, load_theme
from tui.widgets.line_chart import LineChart


class _Window(App[None]):
    def compose(self) -> ComposeResult:
        inks = Inks()
        inks.take(load_theme(DARK))
        yield LineChart(inks, "loss")


def _lines(chart: LineChart) -> list[str]:
    return ["".join(segment.text for segment in chart.render_line(y)) for y in range(chart.size.height)]


async def test_a_spike_of_one_step_in_a_hundred_thousand_is_seen() -> None:
    async with _Window().run_test(size=(80, 20)) as pilot:
        chart = pilot.app.query_one(LineChart)
        series = SeriesPyramid()
        for x in range(100_000):
            series.append(x, 9.0 if x == 60_000 else 2.0)
        chart.series = series
        begin = time.process_time()
        chart.redraw()
        lines = _lines(chart)
        assert time.process_time() - begin < 0.1
        assert any("⠀" < char <= "⣿" for char in lines[0] + lines[1])
        assert lines[-1].split() == ["0", "20,000", "40,000", "60,000", "80,000"]


async def test_an_empty_chart_says_what_it_waits_for() -> None:
    async with _Window().run_test(size=(80, 20)) as pilot:
        chart = pilot.app.query_one(LineChart)
        chart.waiting = "waiting for the first iteration\n12 s so far"
        chart.redraw()
        assert "waiting for the first iteration" in "\n".join(_lines(chart))


async def test_log_scale_leaves_out_what_it_cannot_show() -> None:
    async with _Window().run_test(size=(80, 20)) as pilot:
        chart = pilot.app.query_one(LineChart)
        for x, y in enumerate((100.0, 10.0, 1.0, -5.0, math.nan, 0.1)):
            chart.series.append(x, y)
        chart.log_scale = True
        chart.redraw()
        labels = {line.split("┤")[0].strip() for line in _lines(chart) if "┤" in line}
        assert {"100.0", "10.0", "1.0", "0.1"} <= labels


async def test_one_point_and_a_flat_line_are_drawn_at_any_size() -> None:
    for width, height in ((80, 20), (19, 4), (10, 2), (1, 1)):
        async with _Window().run_test(size=(width, height)) as pilot:
            chart = pilot.app.query_one(LineChart)
            chart.mark_x = 0.0
            for x in range(3):
                chart.series.append(x, 5.0)
                chart.redraw()
                for line in _lines(chart):
                    assert len(line) == width


def test_the_theme_gives_a_colour_to_every_ink() -> None:
    inks = Inks()
    inks.take(load_theme(DARK))
    assert inks["loss"] != Style.null()
