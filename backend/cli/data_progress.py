"""What a job of the data room says of itself, in words, to a display."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from backend import number_words as words
from backend.cli.job_display import Display
from backend.cli.job_pace import Mark, Pace
from backend.translation import _

# what would be told as 0 says nothing
_LEAST_SPEED = 0.5


class Told(Protocol):
    """Bytes of the input, records and tokens made so far, seconds since the start, and a sentence for people
    ("" mostly)."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def note(self) -> str: ...


class JobProgress:
    """Records, tokens a second, time left. `log_interval`: a line every so many records, None for none."""

    def __init__(self, display: Display, log_interval: int | None = None) -> None:
        self._display = display
        self._interval = log_interval
        self._pace = Pace()
        self._lines = 0

    def __call__(self, told: Told) -> None:
        if told.note:
            self._display.remark(told.note)
        if not told.records:
            return
        self._pace.add(Mark(told.seconds, told.done, told.tokens))
        text = _words(told, self._pace)
        if self._interval is None:
            self._display.move(told.done, told.total, text)
        elif told.records // self._interval > self._lines:
            self._lines = told.records // self._interval
            self._display.line(told.done, told.total, text)


def _words(told: Told, pace: Pace) -> str:
    """`1,234,567 records  1.43 M tokens/s  2 min 10 s left`."""
    parts = [_("{records} records").format(records=words.count(told.records))]
    per_second = pace.tokens_per_second()
    if told.done >= told.total and told.seconds:
        # at the end, how fast it was: what is last may be a pause
        per_second = told.tokens / told.seconds
    if per_second is not None and per_second >= _LEAST_SPEED:
        parts.append(words.token_rate(per_second))
    return "  ".join([*parts, *_left(pace, told.total)])


class BytesProgress:
    """Bytes looked at, time left."""

    def __init__(self, display: Display, now: Callable[[], float] = time.monotonic) -> None:
        self._display = display
        self._now = now
        self._pace = Pace()

    def __call__(self, done: int, total: int) -> None:
        self._pace.add(Mark(self._now(), done))
        text = "  ".join([words.progress(done, total), *_left(self._pace, total)])
        self._display.move(done, total, text)


def _left(pace: Pace, total: int) -> list[str]:
    left = pace.seconds_left(total)
    return [] if left is None else [words.time_left(left)]
