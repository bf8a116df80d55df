"""What a weights job says of itself, in words, to a display."""

from __future__ import annotations

from typing import Protocol

from backend import number_words as words
from backend.cli.job_display import Display
from backend.cli.job_pace import Mark, Pace
from backend.cli.visible_text import visible


class Told(Protocol):
    """Bytes done and in all, seconds since the start, and a sentence for people ("" mostly)."""

    @property
    def done_bytes(self) -> int: ...
    @property
    def total_bytes(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def note(self) -> str: ...


class WeightsProgress:
    """Bytes, bytes a second, time left."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._pace = Pace()

    def __call__(self, told: Told) -> None:
        if told.note:
            # it may name a tensor, in the words of a file
            self._display.remark(visible(told.note))
        if told.total_bytes:
            self._pace.add(Mark(told.seconds, told.done_bytes))
            self._display.move(told.done_bytes, told.total_bytes, _words(told, self._pace))


def _words(told: Told, pace: Pace) -> str:
    """`1.2 GB of 26 GB  1.4 GB/s  2 min 10 s left`."""
    done, total = told.done_bytes, told.total_bytes
    parts = [words.progress(done, total)]
    left = pace.seconds_left(total)
    if left is not None:
        parts += [words.byte_rate((total - done) / left), words.time_left(left)]
    return "  ".join(parts)
