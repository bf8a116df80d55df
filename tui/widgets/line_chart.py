"""A live curve in braille: axes with round numbers, constant cost however long the series is."""

from __future__ import annotations

import math

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from backend.telemetry.series import Column, SeriesPyramid, nice_log_ticks, nice_ticks
from tui.formats import compact, thousands
from tui.inks import Inks

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
MARGIN = 8
LEAST_WIDTH, LEAST_HEIGHT = 18, 3


class LineChart(Widget):
    """Draws one `SeriesPyramid` over the iteration number. `mark_x` is shown on the axis as `◆`."""

    def __init__(self, inks: Inks, ink: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.series = SeriesPyramid()
        self.log_scale = False
        self.waiting = ""
        self.mark_x: float | None = None
        self.from_zero = False
        self._inks = inks
        self._ink = ink
        self._strips: list[Strip] | None = None

    def redraw(self) -> None:
        """The series, the scale or the theme changed."""
        self._strips = None
        self.refresh()

    def on_resize(self) -> None:
        self.redraw()

    def notify_style_update(self) -> None:
        self._strips = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        if self._strips is None:
            self._strips = self._paint()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def _paint(self) -> list[Strip]:
        width, height = self.size
        bounds = self._bounds()
        if bounds is None or width < LEAST_WIDTH or height < LEAST_HEIGHT:
            return self._message(width, height)
        low, high = bounds
        rows, plot = height - 1, width - MARGIN
        grid = self._grid(plot, rows, low, high)
        base = self.rich_style
        dim, curve = base + self._inks["dim"], base + self._inks[self._ink]
        labels = self._labels(low, high, rows)
        strips = []
        for row in range(rows):
            text = "".join(chr(0x2800 + bits) if bits else " " for bits in grid[row])
            edge = f"{labels[row]:>{MARGIN - 2}} ┤" if row in labels else " " * (MARGIN - 1) + "│"
            strips.append(Strip([Segment(edge, dim), Segment(text, curve)]).adjust_cell_length(width, base))
        strips.append(self._x_axis(plot, base).adjust_cell_length(width, base))
        return strips

    def _message(self, width: int, height: int) -> list[Strip]:
        base = self.rich_style
        blank = Strip.blank(width, base)
        lines = [blank] * height
        words = self.waiting.splitlines() if height > 2 else []
        for place, line in enumerate(words, start=max(0, (height - len(words)) // 2)):
            segment = Segment(line[:width].center(width), base + self._inks["dim"])
            lines[place] = Strip([segment]).adjust_cell_length(width, base)
        return lines

    def _bounds(self) -> tuple[float, float] | None:
        """The y range in the scale that is drawn; None when there is nothing to draw."""
        lows = [self._scaled(value) for value in self.series.lows]
        highs = [self._scaled(value) for value in self.series.highs]
        lows = [value for value in lows if math.isfinite(value)]
        highs = [value for value in highs if math.isfinite(value)]
        if not lows or not highs:
            return None
        low, high = min(lows), max(highs)
        if self.from_zero and not self.log_scale:
            low = min(0.0, low)
        room = (high - low) * 0.04 or abs(high) * 0.05 or 1.0
        return (low if self.from_zero else low - room), high + room

    def _scaled(self, value: float) -> float:
        if not self.log_scale:
            return value
        return math.log10(value) if value > 0 else math.nan

    def _x_range(self) -> tuple[float, float]:
        first = self.series.xs[0]
        return first, max(self.series.last_x, first + 1)

    def _grid(self, width: int, rows: int, low: float, high: float) -> list[list[int]]:
        """Braille bits, `rows` by `width`; a column of dots reaches from its lowest to its highest value."""
        first, last = self._x_range()
        columns = self.series.columns(first, last, width * 2)
        grid = [[0] * width for _ in range(rows)]
        dots = rows * 4
        previous: tuple[int, int, int] | None = None
        for x, column in enumerate(columns):
            span = self._span(column, dots, low, high)
            if span is None:
                continue
            top, bottom = span
            if previous is not None:
                before, old_top, old_bottom = previous
                _join(grid, before, x, (old_top + old_bottom) // 2, (top + bottom) // 2)
            _stroke(grid, x, top, bottom)
            previous = (x, top, bottom)
        return grid

    def _span(self, column: Column | None, dots: int, low: float, high: float) -> tuple[int, int] | None:
        if column is None:
            return None
        lowest, highest = self._scaled(column.low), self._scaled(column.high)
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            return None
        scale = (dots - 1) / (high - low)
        return dots - 1 - round((highest - low) * scale), dots - 1 - round((lowest - low) * scale)

    def _labels(self, low: float, high: float, rows: int) -> dict[int, str]:
        count = max(2, rows // 3)
        if self.log_scale:
            ticks = nice_log_ticks(10**low, 10**high, count)
        else:
            ticks = nice_ticks(low, high, count)
        digits = _digits(ticks)
        labels = {}
        for tick in ticks:
            row = rows - 1 - int((self._scaled(tick) - low) / (high - low) * (rows * 4 - 1)) // 4
            labels[min(rows - 1, max(0, row))] = f"{tick:,.{digits}f}" if digits < 5 else compact(tick)
        return labels

    def _x_axis(self, width: int, base: Style) -> Strip:
        first, last = self._x_range()
        mark = self._x_place(self.mark_x, first, last, width) if self.mark_x is not None else None
        line = [" "] * (width + MARGIN)
        free = MARGIN
        ticks = nice_ticks(first, last, max(2, width // 12))
        for tick in (tick for tick in ticks if tick == int(tick)):
            label = thousands(tick)
            at = (self._x_place(tick, first, last, width) or 0) - len(label) // 2
            at = min(max(MARGIN, at), width + MARGIN - len(label))
            beside_mark = mark is None or not at - 1 <= mark <= at + len(label)
            if at >= free and beside_mark:
                line[at : at + len(label)] = label
                free = at + len(label) + 2
        dim = base + self._inks["dim"]
        if mark is None:
            return Strip([Segment("".join(line), dim)])
        accent = base + self._inks["accent"]
        return Strip(
            [
                Segment("".join(line[:mark]), dim),
                Segment("◆", accent),
                Segment("".join(line[mark + 1 :]), dim),
            ]
        )

    @staticmethod
    def _x_place(x: float, first: float, last: float, width: int) -> int | None:
        """The column of an x; None when it is out of sight."""
        if not first <= x <= last:
            return None
        return MARGIN + round((x - first) / (last - first) * (width - 1))


def _stroke(grid: list[list[int]], x: int, top: int, bottom: int) -> None:
    bits = _DOTS[x % 2]
    for y in range(max(0, top), min(len(grid) * 4 - 1, bottom) + 1):
        grid[y // 4][x // 2] |= bits[y % 4]


def _join(grid: list[list[int]], before: int, x: int, start: int, end: int) -> None:
    """Connect two columns of dots, also across columns without a value."""
    steps = x - before
    for step in range(1, steps + 1):
        a = start + (end - start) * (step - 1) // steps
        b = start + (end - start) * step // steps
        _stroke(grid, before + step, min(a, b), max(a, b))


def _digits(ticks: list[float]) -> int:
    """Decimals that tell the ticks apart."""
    for digits in range(5):
        if all(abs(round(tick, digits) - tick) <= 1e-9 * max(1.0, abs(tick)) for tick in ticks):
            return digits
    return 5
