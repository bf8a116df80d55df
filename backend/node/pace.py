"""How long a job will still take, at the pace so far."""

from __future__ import annotations

from gettext import gettext as _
from typing import Optional

_SECONDS_UNTIL = 90.0


def seconds_left(done: int, total: int, seconds: float) -> Optional[float]:
    """`seconds` have passed for `done` of `total`; None while nobody can say."""
    if not done or seconds < 1:
        return None
    return seconds * (total - done) / done


def with_time_left(text: str, done: int, total: int, seconds: float) -> str:
    """`text, 3 min left`; `text` alone when it is over, or nobody can say."""
    left = seconds_left(done, total, seconds)
    if left is None or done >= total:
        return text
    words = _("{seconds:.0f} s left") if left < _SECONDS_UNTIL else _("{minutes:.0f} min left")
    return f"{text}, {words.format(seconds=left, minutes=left / 60)}"
