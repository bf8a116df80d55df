"""The first line of every screen: which fleet, how well it is, what time it is; or that nothing is live."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.widgets import Static

from backend.events import Level
from backend.translation import _
from tui.formats import clean, clip, clock, plural, thousands, zone
from tui.inks import DRAINED, GLYPHS, WORDS
from tui.session import Session

WORDY, DRAINED_WORD = 110, 84  # from these widths on the marks are explained
SHORTEST = 3  # left out one after the other: the zone, the nodes, the end of a long name


class HeaderLine(Static):
    """Redrawn each second and with each tick of the feed."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="header")
        self._session = session
        self._shown = ""

    def on_mount(self) -> None:
        self.redraw()

    def on_resize(self) -> None:
        self._shown = ""
        self.redraw()

    def redraw(self) -> None:
        text = self._line(self.size.width or self.app.size.width)
        if text.markup != self._shown:
            self._shown = text.markup
            self.update(text)

    def _line(self, width: int) -> Text:
        """As many words as fit: the counts are the last to go."""
        for spare in range(SHORTEST + 1):
            text, right = self._left(width, spare), self._right(width, spare)
            if text.cell_len + len(right) < width:
                break
        text.truncate(max(0, width - len(right) - 1), overflow="ellipsis")
        text.pad_right(max(0, width - len(right) - text.cell_len))
        text.append(right, self._session.inks["dim"])
        return text

    def _right(self, width: int, spare: int) -> str:
        now = self._session.clock.now()
        return f"{clock(now)} {zone(now)} " if width >= 72 and not spare else f"{clock(now)} "

    def _left(self, width: int, spare: int) -> Text:
        """`spare`: how much is left out, 0 to SHORTEST."""
        session, inks = self._session, self._session.inks
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(" npudeck ", inks["accent"] + inks["strong"])
        silent = session.feed.silent_since()
        if session.desk.inventory is not None:
            name = clip(clean(session.desk.inventory.name), 8 if spare == SHORTEST else 24)
            text.append(f" {name} ", inks["strong"])
        if silent is not None:
            words = _(" NO LIVE DATA since {clock} ").format(clock=clock(silent))
            text.append(words, inks["alarm"] + Style(bold=True, reverse=True))
            text.append(" ")
        if silent is not None and session.feed.error:
            text.append(clean(session.feed.error.splitlines()[0]), inks["text"])
        elif session.desk.inventory is not None:
            self._counts(text, width, spare, live=silent is None)
        return text

    def _counts(self, text: Text, width: int, spare: int, live: bool) -> None:
        """NPUs by verdict, the worst first, and drained nodes; without colour when they are old."""
        inks, counts = self._session.inks, self._session.board.counts()
        text.append("│ ", inks["quiet"])
        nodes = plural(counts.nodes, _("{n} node"), _("{n} nodes"))
        whole = width >= 72 and spare < 2
        text.append(
            f"{nodes}, {thousands(counts.npus)} NPU " if whole else f"{counts.npus} NPU ", inks["text"]
        )
        text.append("│", inks["quiet"])
        pairs = (
            (Level.CRITICAL, counts.critical),
            (Level.ALARM, counts.alarm),
            (Level.WARNING, counts.warning),
            (Level.UNKNOWN, counts.unknown),
            (Level.WELL, counts.well),
        )
        for level, count in pairs:
            ink = inks.level(level) if count and live else inks["dim"]
            text.append(" ")
            text.append(GLYPHS[level], inks.mark(level) if count and live else inks["dim"])
            word = f" {WORDS[level]}" if width >= WORDY else ""
            text.append(f" {thousands(count)}{word}", ink)
        if counts.drained:
            word = _(" drained") if width >= DRAINED_WORD and not spare else ""
            text.append(" │", inks["quiet"])
            text.append(f" {DRAINED} {thousands(counts.drained)}{word}", inks["text"])
