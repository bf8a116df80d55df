"""Numbers, times and foreign text as people read them; pure."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len, set_cell_size

from backend.translation import _

BARS = "▁▂▃▄▅▆▇█"
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|\x9b[0-?]*[ -/]*[@-~]"
)
_HALF = "\u0000"  # the second half of a wide character, while lines are measured
_JOINERS = re.compile("[\u200b-\u200d\ufe00-\ufe0f]")
# wide where one cell is expected, and each terminal in its own way: beyond the BMP, and the BMP's emoji
_WIDE = re.compile(
    "[\U00010000-\U0010ffff\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f"
    "\u2693\u26a1\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b"
    "\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55]"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def thousands(number: float) -> str:
    """`1240` -> "1,240"; fractions are rounded away."""
    return f"{number:,.0f}"


def size(count: float) -> str:
    """Bytes in decimal units: `31_200_000` -> "31.2 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


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
    """Local time of day, `12:31:07`; "" for a time that no calendar has."""
    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return ""


def clock_short(at: float, now: float) -> str:
    """`21:43`, with the date in front when it is another day than `now`."""
    moment, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone()
    return moment.strftime("%H:%M" if moment.date() == today.date() else "%d %b %H:%M")


def since(at: float, now: float, *, or_before: bool = False) -> str:
    """`12:31:07, 3 min ago`; with the date after half a day; "" for a time that nobody knows or believes.

    `or_before`: it may have been earlier.
    """
    try:
        moment = datetime.fromtimestamp(at).astimezone()
    except (OverflowError, ValueError, OSError):
        return ""
    if at <= 0:
        return ""
    near = 0 <= now - at < 43_200
    text = moment.strftime("%H:%M:%S" if near else "%Y-%m-%d %H:%M")
    text += _(" or before") if or_before else ""
    return _("{clock}, {age} ago").format(clock=text, age=age(now - at)) if at <= now + 1 else text


def hang(label: str, body: str, width: int, indent: int) -> str:
    """`label` and beside it `body`, wrapped to lines of `width` characters that begin under each other."""
    lines = _wrapped(body, max(10, width - indent)) or [""]
    first = label.ljust(indent) + lines[0]
    return "\n".join([first, *(" " * indent + line for line in lines[1:])])


def _wrapped(body: str, width: int) -> list[str]:
    """Lines of at most `width` cells: a wide character counts twice."""
    if cell_len(body) <= len(body):
        return textwrap.wrap(body, width, break_on_hyphens=False)
    marked = "".join(one + _HALF * (cell_len(one) - 1) for one in body)
    return [line.replace(_HALF, "") for line in textwrap.wrap(marked, width - 1, break_on_hyphens=False)]


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
    """Text from a node without escape sequences and control characters; a tab is blanks, an emoji `·`."""
    plain = _CONTROLS.sub("", _ESCAPES.sub("", text)).replace("\t", "    ")
    return plain if plain.isascii() else _WIDE.sub("·", _JOINERS.sub("", plain))


def clip(text: str, width: int) -> str:
    """At most `width` characters and cells, the last one `…` when something was cut."""
    if text.isascii():
        return text if len(text) <= width else text[: max(0, width - 1)] + "…"
    if len(text) <= width and cell_len(text) <= width:
        return text
    return set_cell_size(text[: max(0, width - 1)], max(0, width - 1)).rstrip() + "…"


def clip_middle(text: str, width: int) -> str:
    """At most `width` characters; what is cut is the middle, for names that differ at their end."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: max(0, width - 1 - tail)]}…{text[len(text) - tail :]}"


def pad(text: str, width: int) -> str:
    """Exactly `width` cells: cut, or filled with blanks."""
    return set_cell_size(clip(text, width), width)


def clip_rows(text: str, width: int, rows: int, used: int) -> str:
    """At most what `rows` lines of `width` cells hold, the first `used` cells of them being taken."""
    wide = cell_len(text)
    width = max(10, width * len(text) // wide if wide > len(text) else width)
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=" " * min(used, width - 1),
        max_lines=rows,
        placeholder="…",
        break_on_hyphens=False,
    )
    return " ".join(lines).strip()


def plural(count: int, one: str, many: str) -> str:
    """`one` or `many` with `{n}` filled in."""
    return (one if count == 1 else many).format(n=thousands(count))
