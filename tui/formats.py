"""Numbers, times and foreign text as people read them; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

from backend.translation import _

BARS = "▁▂▃▄▅▆▇█"
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|\x9b[0-?]*[ -/]*[@-~]"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def thousands(number: float) -> str:
    """`1240` -> "1,240"; fractions are rounded away."""
    return f"{number:,.0f}"


def compact(value: float | None) -> str:
    """Four significant digits, with separators from a thousand on; `–` for what is not there."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 1000:
        return thousands(value)
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.2e}"
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    return f"{value:.{digits}f}"


def clock(at: float) -> str:
    """Local time of day, `12:31:07`."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def clock_short(at: float, now: float) -> str:
    """`21:43`, with the date in front when it is another day than `now`."""
    moment, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone()
    return moment.strftime("%H:%M" if moment.date() == today.date() else "%d %b %H:%M")


def zone(at: float) -> str:
    """The offset of local time, `UTC+8`."""
    offset = datetime.fromtimestamp(at).astimezone().utcoffset()
    minutes = int(offset.total_seconds() // 60) if offset is not None else 0
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return "UTC" if not minutes else f"UTC{sign}{hours}" + (f":{rest:02d}" if rest else "")


def duration(seconds: float) -> str:
    """Two units at most: `14 s`, `3 min 05 s`, `9 h 12 min`, `3 d 4 h`."""
    seconds = max(0.0, seconds)
    if seconds < 60:
        return _("{number} s").format(number=int(seconds))
    if seconds < 3600:
        return _("{minutes} min {seconds:02d} s").format(
            minutes=int(seconds // 60), seconds=int(seconds % 60)
        )
    if seconds < 86_400:
        return _("{hours} h {minutes:02d} min").format(
            hours=int(seconds // 3600), minutes=int(seconds % 3600 // 60)
        )
    return _("{days} d {hours} h").format(days=int(seconds // 86_400), hours=int(seconds % 86_400 // 3600))


def age(seconds: float) -> str:
    """One unit: `3 s`, `14 min`, `5 h`, `3 d`."""
    seconds = max(0.0, seconds)
    for size, word in ((86_400, _("{number} d")), (3600, _("{number} h")), (60, _("{number} min"))):
        if seconds >= size:
            return word.format(number=int(seconds // size))
    return _("{number} s").format(number=int(seconds))


def gauge(fraction: float, width: int) -> str:
    """A bar of `width` characters."""
    filled = round(min(1.0, max(0.0, fraction)) * width)
    return "▇" * filled + "▁" * (width - filled)


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """One character a value; a blank where nothing is known."""
    span = (high - low) or 1.0
    return "".join(
        " " if value is None else BARS[min(7, max(0, int((value - low) / span * 8)))] for value in values
    )


def clean(text: str) -> str:
    """Text from a node without escape sequences and control characters; a tab becomes blanks."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text)).replace("\t", "    ")


def clip(text: str, width: int) -> str:
    """At most `width` characters, the last one `…` when something was cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def plural(count: int, one: str, many: str) -> str:
    """`one` or `many` with `{n}` filled in."""
    return (one if count == 1 else many).format(n=thousands(count))
