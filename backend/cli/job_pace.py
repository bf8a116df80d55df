"""How fast a job is now: over the last seconds, so that start-up and a slow disk's pauses pass."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

WINDOW_S = 15.0


class Mark(NamedTuple):
    """`seconds` since the start, bytes of the input that were `done`, `tokens` made where it makes some."""

    seconds: float
    done: int
    tokens: int = 0


class Pace:
    """Fed with what a job says now and then."""

    def __init__(self) -> None:
        self._marks: deque[Mark] = deque()

    def add(self, mark: Mark) -> None:
        marks = self._marks
        marks.append(mark)
        # the one before the window stays: the distance to it is never shorter than the window
        while len(marks) > 2 and marks[1].seconds < mark.seconds - WINDOW_S:
            marks.popleft()

    def tokens_per_second(self) -> float | None:
        """None until two marks lie apart."""
        passed = self._passed()
        return (self._marks[-1].tokens - self._marks[0].tokens) / passed if passed else None

    def seconds_left(self, total: int) -> float | None:
        """Until `total` bytes are done, at the pace of now; None while that is not known, and at the end."""
        passed = self._passed()
        if not passed:
            return None
        done, left = self._marks[-1].done - self._marks[0].done, total - self._marks[-1].done
        return left * passed / done if done > 0 and left > 0 else None

    def _passed(self) -> float:
        return self._marks[-1].seconds - self._marks[0].seconds if self._marks else 0.0
