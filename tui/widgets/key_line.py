"""The bottom line: at most seven keys that work here and now, from the registry; each can be clicked.

While something is edited or asked, the keys of that.
"""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual import events
from textual.widgets import Static

from tui.actions import footer_of
from tui.inks import Inks

Hints = tuple[tuple[str, str], ...]


class KeyLine(Static):
    def __init__(self, inks: Inks, place: str) -> None:
        super().__init__(id="keys")
        self._inks = inks
        self._place = place
        self._idle: frozenset[str] = frozenset()
        self._hints: Hints = ()

    def show(self, hints: Hints, idle: frozenset[str]) -> None:
        """`hints`: keys of what is in front, instead of the screen's own; `idle`: actions to leave out."""
        if (hints, idle) != (self._hints, self._idle):
            self._hints, self._idle = hints, idle
            self.redraw()

    def on_mount(self) -> None:
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        """As many keys as fit, the less needed ones in the middle given up first."""
        room = 7
        while (text := self._line(room)).cell_len > self.size.width > 0 and room > 2:
            room -= 1
        self.update(text)

    def _line(self, room: int) -> Text:
        inks, text = self._inks, Text(" ", no_wrap=True, overflow="ellipsis")
        if self._hints:
            for key, title in self._hints:
                text.append(key, inks["accent"])
                text.append(f" {title}   ", inks["text"])
            text.rstrip()
            return text
        for action in footer_of(self._place, room, self._idle):
            click = Style(meta={"go": action.method})
            text.append(action.shown, inks["accent"] + click)
            text.append(f" {action.title}", inks["text"] + click)
            text.append("   ")
        text.rstrip()
        return text

    async def on_click(self, event: events.Click) -> None:
        if (action := event.style.meta.get("go")) is not None:
            await self.run_action(action)
