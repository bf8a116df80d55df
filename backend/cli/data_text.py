"""Text of training data on a terminal: wrapped, masked parts marked beside it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from backend import number_words as words
from backend.cli.visible_text import visible
from backend.translation import _

_MARGIN = "  "
_MASKED, _TRAINED = "┊", "┃"
_HEAD, _TAIL = 5, 2
_MOST_RUNS = 8
_NARROW, _WIDE = 40, 100
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class Look(NamedTuple):
    """`width`: columns of the terminal; `dim`: whether masked text is dimmed; `full`: leave nothing out."""

    width: int = 80
    dim: bool = False
    full: bool = False


def look_of_stdout(*, full: bool) -> Look:
    """As wide as the terminal; nothing but letters where stdout is none."""
    width = shutil.get_terminal_size((80, 24)).columns
    terminal = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return Look(min(max(width, _NARROW), _WIDE), terminal and not os.environ.get("NO_COLOR"), full)


def run_lines(runs: Sequence[Mapping[str, Any]], ids: Sequence[int], look: Look) -> Iterator[str]:
    """Lines of a sequence: each run begins a line and says whether it is masked or trained.

    A run has "trained", "start", "tokens" and "text"; where there is no text its `ids` are shown.
    """
    shown = runs if look.full else runs[:_MOST_RUNS]
    for run in shown:
        text = run["text"] or " ".join(map(str, ids[run["start"] : run["start"] + run["tokens"]]))
        yield from _run(text, trained=bool(run["trained"]), look=look)
    if len(shown) < len(runs):
        yield _MARGIN + _("… {n} more parts; --full shows them").format(n=len(runs) - len(shown))


def _run(text: str, *, trained: bool, look: Look) -> Iterator[str]:
    labels = (_("masked"), _("trained"))
    label_width = max(map(len, labels))
    bar = _TRAINED if trained else _MASKED
    width = look.width - len(_MARGIN) - label_width - 3
    for number, line in enumerate(_excerpt(visible(text), width, full=look.full)):
        label = labels[trained] if number == 0 else ""
        whole = f"{_MARGIN}{label:<{label_width}} {bar} {line}".rstrip()
        yield f"{_DIM}{whole}{_PLAIN}" if look.dim and not trained else whole


def _excerpt(text: str, width: int, *, full: bool) -> list[str]:
    """Wrapped lines, all of them or the first and last few."""
    room = (_HEAD + _TAIL + 1) * width
    if full or len(text) <= room:
        lines = list(wrapped(text, width))
        if full or len(lines) <= _HEAD + _TAIL + 1:
            return [line.text for line in lines]
    head = list(wrapped(text[: _HEAD * width], width))[:_HEAD]
    after = text[head[-1].end :]
    tail = list(wrapped(after[-_TAIL * width :], width))[-_TAIL:]
    left_out = len(after) - sum(line.end - line.start for line in tail)
    remark = _("… {n} characters left out; --full shows them").format(n=words.count(left_out))
    return [*(line.text for line in head), remark, *(line.text for line in tail)]


class Line(NamedTuple):
    """One line on the screen, and the part of the text it shows (with its newline)."""

    text: str
    start: int
    end: int


def wrapped(text: str, width: int) -> Iterator[Line]:
    """Lines of at most `width` columns, broken at newlines, else after a blank, else anywhere."""
    start = 0
    while start < len(text):
        newline = text.find("\n", start)
        stop = newline if newline >= 0 else len(text)
        end = _fitting(text, start, stop, width)
        if end == stop and newline >= 0:
            yield Line(text[start:end], start, end + 1)
            start = end + 1
        else:
            yield Line(text[start:end], start, end)
            start = end
    if not text:
        yield Line("", 0, 0)


def _fitting(text: str, start: int, stop: int, width: int) -> int:
    """Where the line that begins at `start` ends, at `stop` at the latest."""
    from rich.cells import get_character_cell_size

    room = width
    for place in range(start, stop):
        room -= get_character_cell_size(text[place])
        if room < 0:
            blank = text.rfind(" ", start + (place - start) // 2, place)
            return blank + 1 if blank >= 0 else max(place, start + 1)
    return stop
