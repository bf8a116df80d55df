"""All runs, newest first: a line each, a second one for why a run failed."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from backend.state.run_state import RunView
from backend.translation import _
from tui.formats import age, clean, clip, compact, sparkline
from tui.inks import Inks
from tui.run_words import STATE_MARKS, iteration_text, nodes_text, why_line

TREND = 6
HEAD = 1
_WIDTHS = {
    "run": 6,
    "model": 15,
    "kind": 9,
    "nodes": 6,
    "state": 12,
    "it": 13,
    "loss": 8,
    "speed": 16,
    "age": 7,
    "who": 10,
}


class RunList(ScrollView, can_focus=True):
    """The cursor stays on its run when a newer one appears."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("home,g", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
    ]

    class RunOpened(Message):
        """A run was clicked twice."""

    def __init__(self, inks: Inks, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._inks = inks
        self._runs: list[RunView] = []
        self._lines: list[tuple[int, bool]] = []  # (place of the run, is it the second line)
        self._place = 0
        self._now = 0.0

    @property
    def current(self) -> RunView | None:
        return self._runs[self._place] if self._place < len(self._runs) else None

    def show_runs(self, runs: list[RunView], now: float) -> None:
        kept = self.current
        self._runs, self._now = runs, now
        self._place = next((i for i, run in enumerate(runs) if kept and run.run_id == kept.run_id), 0)
        self._lines = []
        for place, run in enumerate(runs):
            self._lines.append((place, False))
            if why_line(run, 1):
                self._lines.append((place, True))
        self.virtual_size = Size(self.size.width, len(self._lines) + HEAD)
        self.refresh()

    def action_move(self, by: int) -> None:
        if not self._runs:
            return
        self._place = min(max(0, self._place + by), len(self._runs) - 1)
        line = next(i for i, (place, _second) in enumerate(self._lines) if place == self._place)
        last = line + (line + 1 < len(self._lines) and self._lines[line + 1][1])
        top = min(max(self.scroll_offset.y, last + 1 + HEAD - self.size.height), line)
        self.scroll_to(y=top, animate=False, force=True)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        line = event.y + self.scroll_offset.y - HEAD
        if event.y >= HEAD and 0 <= line < len(self._lines):
            self._place = self._lines[line][0]
            self.refresh()
            if event.chain == 2:
                self.post_message(self.RunOpened())

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        base, width = self.rich_style, self.size.width
        line = y + self.scroll_offset.y if y else 0  # the head stays where it is
        if line == 0:
            return Strip(self._head(base)).crop_extend(0, width, base)
        if line - HEAD >= len(self._lines):
            return Strip.blank(width, base)
        place, second = self._lines[line - HEAD]
        here = place == self._place
        if here and self.has_focus:
            base = base + self._inks["cursor"]
        run = self._runs[place]
        segments = self._why(run, base) if second else self._row(run, here, base)
        return Strip(segments).crop_extend(0, width, base)

    def _columns(self) -> dict[str, int]:
        """Widths for the room there is: the least needed columns go first, the model takes what is left."""
        widths = dict(_WIDTHS)
        for name, least in (("who", 0), ("speed", 9), ("kind", 0), ("nodes", 0)):
            if sum(widths.values()) + 2 > self.size.width:
                widths[name] = least
        widths["model"] += max(0, min(20, self.size.width - 2 - sum(widths.values())))
        return widths

    def _head(self, base: Style) -> list[Segment]:
        widths = self._columns()
        speed = _("tok/s/NPU")
        names = (
            _("run"),
            _("model"),
            _("type"),
            _("nodes"),
            _("state"),
            _("it"),
            _("loss"),
            speed,
            _("age"),
            _("who"),
        )
        cells = zip(names, widths.items(), strict=True)
        text = "".join(_aligned(name, key, width) for name, (key, width) in cells if width)
        return [Segment("  " + text, base + self._inks["dim"])]

    def _row(self, run: RunView, here: bool, base: Style) -> list[Segment]:
        inks, widths, made = self._inks, self._columns(), run.created
        mark, ink = STATE_MARKS[run.state]
        last = run.last
        speed = compact(last.tokens_per_s_per_npu if last else None)
        trend = self._trend(run) if widths["speed"] > 9 and run.active else ""
        cells = {
            "run": (made.run_id, inks["strong"]),
            "model": (clean(made.model), inks["text"]),
            "kind": (made.run_type, inks["text"]),
            "nodes": (nodes_text(run), inks["text"]),
            "state": (f"{mark} {run.state.value}", inks[ink]),
            "it": (iteration_text(run), inks["text"]),
            "loss": (compact(last.lm_loss if last else None), inks["text"]),
            "speed": (f"{speed} {trend}".rstrip() if trend else speed, inks["text"]),
            "age": (age(self._now - made.at), inks["dim"]),
            "who": (clean(made.actor).partition("@")[0], inks["dim"]),
        }
        segments = [Segment("▸ " if here else "  ", base + inks["accent"])]
        segments += [
            Segment(_aligned(clip(text, width - 1), key, width), base + style)
            for key, (text, style) in cells.items()
            if (width := widths[key])
        ]
        return segments

    def _why(self, run: RunView, base: Style) -> list[Segment]:
        ink = STATE_MARKS[run.state][1]
        indent = " " * (2 + _WIDTHS["run"])
        return [Segment(indent + why_line(run, self.size.width - 10), base + self._inks[ink])]

    def _trend(self, run: RunView) -> str:
        values = [item.tokens_per_s_per_npu for item in run.iterations[-TREND * 4 :: 4]]
        known = [value for value in values if value is not None]
        return sparkline(values, 0.0, max(known) * 1.15) if len(known) > 2 else ""


def _aligned(text: str, key: str, width: int) -> str:
    """Numbers stand at the right of their column, words at the left."""
    if key in ("it", "loss", "age"):
        return text.rjust(width - 2) + "  "
    return text.ljust(width)
