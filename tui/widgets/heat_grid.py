"""The pulse of the fleet: a line a node, a cell an NPU; draws only the lines that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from backend.events import Level
from backend.translation import _
from tui.fleet_board import Cell, GridRow
from tui.formats import clip, clip_middle, pad, plural
from tui.inks import DRAINED, GLYPHS, Inks

LEAST_WIDTH = 20
FRAME_WIDTH = 3  # border and scroll bar
HELD_WIDTH, MOST_HELD, SEEN_WIDTH, MARK_WIDTH = 7, 20, 11, 2
SIGNS_WIDTH = 3  # beside a name: how the node is as a whole, whether it is drained
WIDE_CELL, MARK_CELL = 5, 2  # the least width of a cell with a value, and of one with a mark alone


class HeatGrid(ScrollView, can_focus=True):
    """Line 0 is the head; rows follow. The cursor stays on its node when the order changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", show=False),
        Binding("down,j", "move(1, 0)", show=False),
        Binding("left,h", "move(0, -1)", show=False),
        Binding("right", "move(0, 1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(1)", show=False),
    ]

    @dataclass
    class CellHighlighted(Message):
        """The cursor is on another cell. `index` is the place in the row."""

        node: str
        index: int
        folded: int

    class CellOpened(Message):
        """A cell was clicked twice, or its line once more."""

    def __init__(self, inks: Inks, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._inks = inks
        self._rows: list[GridRow] = []
        self._strips: dict[int, Strip] = {}
        self._layout = (8, 6, 0, HELD_WIDTH)  # width of names and of a cell, number of cells, who holds it
        self._row, self._column = 0, 0
        self._least = WIDE_CELL
        self._moved = False  # until somebody moves it, the cursor stands on the worst NPU

    @property
    def current(self) -> GridRow | None:
        return self._rows[self._row] if self._row < len(self._rows) else None

    @property
    def column(self) -> int:
        return self._column

    @property
    def room(self) -> int:
        """Lines for nodes."""
        return max(1, self.size.height - 1)

    def show_rows(self, rows: list[GridRow], marks_do: bool = False) -> None:
        """Take new rows; repaint the lines that differ. `marks_do`: short of room, marks say enough."""
        self._least = MARK_CELL if marks_do else WIDE_CELL
        name, before = self.current.node if self.current else "", self._row
        layout = self._fit(rows, self.size.width)
        old, self._rows = self._rows, rows
        if layout != self._layout or len(old) != len(rows):
            self._layout = layout
            self._strips.clear()
            self.virtual_size = Size(_line_width(self._layout), len(rows) + 1)
            self.refresh()
        self._row = next(
            (i for i, row in enumerate(rows) if row.node == name), min(before, max(0, len(rows) - 1))
        )
        if not self._moved and rows:
            self._row, self._column = 0, _worst(rows[0])
        for index, row in enumerate(rows):
            if (
                index >= len(old)
                or old[index] != row
                or (index in (before, self._row) and before != self._row)
            ):
                self._redraw(index)
        self._clamp_column()

    def width_within(self, most: int) -> int:
        """The columns that its lines need with border and scroll bar, `most` at most."""
        return min(
            max(LEAST_WIDTH, most), _line_width(self._fit(self._rows, most - FRAME_WIDTH)) + FRAME_WIDTH
        )

    def go_to(self, node: str, index: int) -> None:
        """Put the cursor on an NPU, if its node has a line."""
        for place, row in enumerate(self._rows):
            if row.node == node and not row.folded:
                self._go(place, index)

    def _fit(self, rows: list[GridRow], width: int) -> tuple[int, int, int, int]:
        names = min(18, max([5, *(len(row.node) for row in rows if not row.folded)])) + SIGNS_WIDTH
        count = max((len(row.cells) for row in rows if row.node), default=0)
        free = width - MARK_WIDTH - names - HELD_WIDTH - SEEN_WIDTH
        cell = max(self._least, min(8, free // count)) if count else 6
        wanted = max((len(row.run or row.holder) for row in rows), default=0) + 1 - HELD_WIDTH
        return names, cell, count, HELD_WIDTH + max(0, min(wanted, free - cell * count, MOST_HELD))

    def _redraw(self, index: int) -> None:
        self._strips.pop(index, None)
        self.refresh(Region(0, index + 1 - self.scroll_offset.y, self.size.width, 1))

    def on_resize(self) -> None:
        self._layout = self._fit(self._rows, self.size.width)
        self._strips.clear()
        self.virtual_size = Size(_line_width(self._layout), len(self._rows) + 1)
        self.refresh()

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self._redraw(self._row)

    # ---- cursor ----

    def action_move(self, rows: int, columns: int) -> None:
        self._go(self._row + rows, self._column + columns)

    def action_page(self, direction: int) -> None:
        self._go(self._row + direction * max(1, self.room - 1), self._column)

    def action_edge(self, end: int) -> None:
        self._go(len(self._rows) - 1 if end else 0, self._column)

    def on_click(self, event: events.Click) -> None:
        at = event.get_content_offset(self)
        row = at.y + self.scroll_offset.y - 1 if at is not None else -1
        if at is not None and at.y > 0 and 0 <= row < len(self._rows):
            again = row == self._row
            first = MARK_WIDTH + self._layout[0]
            column = self._column_at(self._rows[row], at.x + self.scroll_offset.x - first)
            self._go(row, column)
            if event.chain == 2 or (again and self._rows[row].folded):
                self.post_message(self.CellOpened())

    def _column_at(self, row: GridRow, x: int) -> int:
        """Which cell is `x` characters right of the first one."""
        if row.node:
            return max(0, x) // self._layout[1]
        ends = [0]
        for item in row.cells:
            ends.append(ends[-1] + self._free_width(item))
        return sum(end <= x for end in ends[1:])

    def _clamp_column(self) -> None:
        self._column = max(0, self._column)
        cells = len(self.current.cells) if self.current else 0
        if cells:
            self._column = min(self._column, cells - 1)

    def _go(self, row: int, column: int) -> None:
        if not self._rows:
            return
        before = self._row
        self._moved = True
        self._row = min(max(0, row), len(self._rows) - 1)
        self._column = column
        self._clamp_column()
        for index in {before, self._row}:
            self._redraw(index)
        top = min(max(self.scroll_offset.y, self._row + 1 - self.room), self._row)
        self.scroll_to(y=top, animate=False, force=True)
        current = self._rows[self._row]
        self.post_message(self.CellHighlighted(current.node, self._column, current.folded))

    # ---- drawing ----

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        line = y + self.scroll_offset.y if y else 0  # the head stays where it is
        if line > len(self._rows):
            return Strip.blank(width, base)
        strip = self._head(base) if line == 0 else self._strips.get(line - 1) or self._draw(line - 1, base)
        return strip.crop_extend(self.scroll_offset.x, self.scroll_offset.x + width, base)

    def _head(self, base: Style) -> Strip:
        names, cell, count, held = self._layout
        dim = base + self._inks["dim"]
        text = " " * MARK_WIDTH + _("node").ljust(names)
        text += "".join(str(index).ljust(cell) for index in range(count))
        return Strip([Segment(text + _("held").ljust(held) + _("seen").ljust(SEEN_WIDTH), dim)])

    def _draw(self, index: int, base: Style) -> Strip:
        row, inks = self._rows[index], self._inks
        here = index == self._row
        if here:
            base = base + inks["cursor"] if self.has_focus else base
        if row.folded:
            text = plural(row.folded, _("{n} more node, well"), _("{n} more nodes, all well"))
            segments = [
                Segment("▸ " if here else "  ", base + inks["accent"]),
                Segment(f"{row.node}   ", base + inks["dim"]),
                Segment("● ", base + inks["well"]),
                Segment(text, base + inks["text"]),
                Segment(_("   ⏎ unfold"), base + inks["dim"]),
            ]
        elif row.node:
            segments = self._node_segments(row, here, base)
        else:
            segments = self._fleet_segments(row, here, base)
        strip = Strip(segments).extend_cell_length(max(self.size.width, _line_width(self._layout)), base)
        self._strips[index] = strip
        return strip

    def _node_segments(self, row: GridRow, here: bool, base: Style) -> list[Segment]:
        names, cell, count, held = self._layout
        inks = self._inks
        ink = inks["text"] if row.level is Level.WELL else inks.level(row.level)
        name = clip_middle(row.node, names - SIGNS_WIDTH)
        segments = [
            Segment("▸ " if here else "  ", base + inks["accent"]),
            Segment(name, base + ink),
            *self._signs(row, names - len(name), base),
        ]
        for place, item in enumerate(row.cells):
            segments.extend(self._cell(item, cell, here and place == self._column, base))
        segments.append(Segment(" " * cell * (count - len(row.cells)), base))
        holder = pad(clip(row.run or row.holder, held - 1), held)
        segments.append(Segment(holder, base + inks["text" if row.run else "dim"]))
        fresh = inks["dim"] if row.level is not Level.UNKNOWN else inks["unknown"]
        segments.append(Segment(clip(row.seen, SEEN_WIDTH).ljust(SEEN_WIDTH), base + fresh))
        return segments

    def _signs(self, row: GridRow, width: int, base: Style) -> list[Segment]:
        """What is to be known of a node as a whole, in two characters after its name."""
        inks = self._inks
        trouble = GLYPHS[row.trouble] if row.trouble is not Level.WELL else ""
        drained = DRAINED if row.drained else ""
        return [
            Segment(" ", base),
            Segment(trouble, base + inks.mark(row.trouble)),
            Segment(drained, base + inks["dim"]),
            Segment(" " * (width - 1 - len(trouble + drained)), base),
        ]

    def _fleet_segments(self, row: GridRow, here: bool, base: Style) -> list[Segment]:
        """What differs between nodes, one thing after the other: the columns of NPUs mean nothing here."""
        names, inks = self._layout[0], self._inks
        segments = [
            Segment("▸ " if here else "  ", base + inks["accent"]),
            Segment(_("fleet").ljust(names), base + inks.level(row.level)),
        ]
        for place, item in enumerate(row.cells):
            width = self._free_width(item)
            segments.extend(self._cell(item, width, here and place == self._column, base))
        return segments

    def _free_width(self, item: Cell) -> int:
        return len(item.glyph + item.text) + 2

    def _cell(self, item: Cell, width: int, here: bool, base: Style) -> list[Segment]:
        inks = self._inks
        mark = inks[f"heat{item.heat}"] if item.heat else inks.mark(item.level)
        if item.glyph == "–":
            mark = inks["dim"]
        text = inks.level(item.level) if item.level is not Level.WELL else inks["text"]
        reverse = Style(reverse=True) if here else Style.null()
        fits = len(item.glyph + item.text) < width
        body = clip(item.glyph + (item.text if fits else ""), width - 1)  # a mark says more than half a word
        rest = width - len(body)
        return [
            Segment(body[:1], base + mark + reverse),
            Segment(body[1:], base + text + reverse),
            Segment(" " * rest, base),
        ]


def _line_width(layout: tuple[int, int, int, int]) -> int:
    names, cell, count, held = layout
    return MARK_WIDTH + names + cell * count + held + SEEN_WIDTH


def _worst(row: GridRow) -> int:
    """The place of the worst cell; the first one when they are alike."""
    levels = [cell.level for cell in row.cells]
    return levels.index(max(levels)) if levels else 0
