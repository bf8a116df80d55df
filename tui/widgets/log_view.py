"""The tail of a log: plain lines, drawn when they are seen; follows, filters, never reads markup."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.inks import Inks
from tui.log_words import readable

KEPT_LINES = 50_000
_BAD = re.compile(r"\b(ERROR|FATAL|CRITICAL|Traceback|\w*Error)\b")
_WARN = re.compile(r"\b(WARNING|WARN)\b", re.IGNORECASE)
_ITERATION = re.compile(r"\biteration +\d+")


class LogView(ScrollView, can_focus=True):
    """Follows the newest line until it is scrolled up; `End` or `follow` takes it back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_by(-1)", show=False),
        Binding("down,j", "scroll_by(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("left", "sideways(-8)", show=False),
        Binding("right", "sideways(8)", show=False),
        Binding("home,g", "first", show=False),
        Binding("end,G", "last", show=False),
    ]

    class FollowChanged(Message):
        """Following began or ended."""

    def __init__(self, inks: Inks, *, follow: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self.follow = follow
        self.needle = ""
        self._inks = inks
        self._lines: list[str] = []
        self._shown: list[str] = self._lines
        self._width = 0

    @property
    def line_count(self) -> int:
        return len(self._lines)

    @property
    def shown_count(self) -> int:
        """Lines that pass the filter."""
        return len(self._shown)

    def shown_lines(self) -> list[str]:
        return list(self._shown)

    def clear(self) -> None:
        self._lines.clear()
        self._width = 0
        self._refilter()
        self.scroll_to(x=0, y=0, animate=False, force=True)

    def append_lines(self, lines: tuple[str, ...] | list[str]) -> None:
        """Add lines as they came from a node; they are cleaned here."""
        cleaned = [readable(line) for line in lines]
        self._lines.extend(cleaned)
        if self._shown is not self._lines:
            self._shown.extend(line for line in cleaned if self._passes(line))
        if len(self._lines) > KEPT_LINES * 11 // 10:
            self._prune()
        self._width = max(self._width, max(map(len, cleaned), default=0))
        self._resized()

    def set_filter(self, needle: str) -> None:
        """Show only lines that contain `needle`, upper and lower case alike; "" shows all."""
        self.needle = needle
        self._refilter()

    def set_follow(self, follow: bool) -> None:
        if follow != self.follow:
            self.follow = follow
            self.post_message(self.FollowChanged())
        if follow:
            self._resized()

    def _passes(self, line: str) -> bool:
        return self.needle.casefold() in line.casefold()

    def _refilter(self) -> None:
        self._shown = [line for line in self._lines if self._passes(line)] if self.needle else self._lines
        self._resized()

    def _prune(self) -> None:
        """Cut in big steps, so that the cost of a cut is paid once in a while."""
        cut = len(self._lines) - KEPT_LINES
        before = len(self._shown)
        del self._lines[:cut]
        if self._shown is not self._lines:
            self._shown = [line for line in self._lines if self._passes(line)]
        if not self.follow:
            self.scroll_to(
                y=max(0, self.scroll_offset.y - (before - len(self._shown))), animate=False, force=True
            )

    def _resized(self) -> None:
        self.virtual_size = Size(self._width, len(self._shown))
        if self.follow:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        self.refresh()

    def on_resize(self) -> None:
        self._resized()

    # ---- moving ----

    def action_scroll_by(self, lines: int) -> None:
        self._move(self.scroll_offset.y + lines)

    def action_page(self, pages: int) -> None:
        self._move(self.scroll_offset.y + pages * max(1, self.size.height - 1))

    def action_sideways(self, columns: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + columns, animate=False, force=True)

    def action_first(self) -> None:
        self._move(0)

    def action_last(self) -> None:
        self.set_follow(True)
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def on_mouse_scroll_up(self) -> None:
        self._move(self.scroll_offset.y - 3)

    def _move(self, line: int) -> None:
        if line < self.max_scroll_y:
            self.set_follow(False)
        self.scroll_to(y=min(max(0, line), self.max_scroll_y), animate=False, force=True)

    # ---- drawing ----

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width, base = self.size.width, self.rich_style
        if top + y >= len(self._shown):
            return Strip.blank(width, base)
        line = self._shown[top + y]
        return Strip(self._segments(line, base)).crop_extend(left, left + width, base)

    def _segments(self, line: str, base: Style) -> list[Segment]:
        inks = self._inks
        ink = "alarm" if _BAD.search(line) else "warning" if _WARN.search(line) else "text"
        style = base + inks[ink]
        if not self.needle:
            match = _ITERATION.search(line)
            if match is None or ink != "text":
                return [Segment(line, style)]
            a, b = match.span()
            head, found, rest = line[:a], line[a:b], line[b:]
            return [
                Segment(head, base + inks["dim"]),
                Segment(found, base + inks["accent"]),
                Segment(rest, style),
            ]
        return _marked(line, self.needle, style)


def _marked(line: str, needle: str, style: Style) -> list[Segment]:
    """The line with every place of the needle reversed."""
    segments, at = [], 0
    reverse = style + Style(reverse=True)
    for match in re.finditer(re.escape(needle), line, re.IGNORECASE):
        segments += [Segment(line[at : match.start()], style), Segment(match[0], reverse)]
        at = match.end()
    return [*segments, Segment(line[at:], style)]
