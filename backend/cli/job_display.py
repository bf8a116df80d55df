"""Progress on stderr: a bar where somebody watches, a line now and then for scripts."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from backend import number_words as words
from backend.cli.diagnostics import printable, say

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

LINE_INTERVAL_S = 5.0
_BAR_WIDTH = 16
_REDRAWS_PER_S = 5
_STEPS = 1000


class Display(Protocol):
    """Where progress goes; fit to be called thousands of times."""

    def remark(self, text: str) -> None:
        """A sentence that stays."""
        ...

    def move(self, done: int, total: int, text: str) -> None:
        """So much of the work is done; `total` 0: nobody knows of how much."""
        ...

    def line(self, done: int, total: int, text: str) -> None:
        """The same as a line that stays, now."""
        ...


@contextmanager
def display(*, quiet: bool, start: str) -> Iterator[Display]:
    """`start`: what is done before the first progress is known."""
    if quiet:
        yield NoDisplay()
    elif _somebody_watches():
        bar = _bar()
        # declared before it is drawn, so that the first picture has it
        shown = BarDisplay(bar, start)
        with bar:
            yield shown
    else:
        yield LineDisplay()


def _somebody_watches() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _bar() -> Bar:
    """Bar, share, words: fits into 80 columns."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    colour = "cyan"
    columns = (
        BarColumn(bar_width=_BAR_WIDTH, complete_style=colour, finished_style=colour, pulse_style=colour),
        TextColumn("{task.fields[share]:>5}", markup=False),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=Console(stderr=True), refresh_per_second=_REDRAWS_PER_S, transient=True)


class NoDisplay:
    """For --quiet."""

    def remark(self, text: str) -> None:
        return

    def move(self, done: int, total: int, text: str) -> None:
        return

    def line(self, done: int, total: int, text: str) -> None:
        return


class LineDisplay:
    """A line every few seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._said_at = now()

    def remark(self, text: str) -> None:
        say(text)

    def move(self, done: int, total: int, text: str) -> None:
        if self._now() - self._said_at >= LINE_INTERVAL_S:
            self.line(done, total, text)

    def line(self, done: int, total: int, text: str) -> None:
        self._said_at = self._now()
        say(_with_share(done, total, text))


class BarDisplay:
    """Moves a bar; what stays stands above it."""

    def __init__(self, bar: Bar, start: str) -> None:
        self._bar = bar
        self._task = bar.add_task(start, total=None, share="")

    def remark(self, text: str) -> None:
        # the words of a file may look like markup
        self._bar.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def move(self, done: int, total: int, text: str) -> None:
        self._bar.update(
            self._task,
            completed=min(_STEPS, _STEPS * done // total) if total else None,
            total=_STEPS if total else None,
            description=printable(text),
            share=words.share(done, total) if total else "",
        )

    def line(self, done: int, total: int, text: str) -> None:
        self.remark(_with_share(done, total, text))


def _with_share(done: int, total: int, text: str) -> str:
    return f"{words.share(done, total):>5}  {text}"
