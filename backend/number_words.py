"""Counts, sizes, spans of time and speeds as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backend.translation import _

_UNITS = ("B", "kB", "MB", "GB", "TB")


def count(number: float) -> str:
    """1,234,567"""
    return f"{number:,.0f}"


def size(number: float) -> str:
    """Bytes in powers of 1000: 999 B, 1.2 kB, 34 MB."""
    unit = 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number /= 1000
        unit += 1
    return f"{number:.1f} {_UNITS[unit]}" if unit and number < 9.95 else f"{number:.0f} {_UNITS[unit]}"


def span(seconds: float) -> str:
    """0.4 s, 42 s, 3 min 05 s, 2 h 07 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def token_rate(tokens_per_second: float) -> str:
    """950 tokens/s, 120 k tokens/s, 1.43 M tokens/s."""
    for scale, mark in ((1e6, "M "), (1e3, "k ")):
        if tokens_per_second >= scale:
            number = tokens_per_second / scale
            return _("{number} tokens/s").format(
                number=f"{number:.{2 if number < 9.995 else 0}f} {mark}".rstrip()
            )
    return _("{number} tokens/s").format(number=f"{tokens_per_second:.0f}")


def byte_rate(bytes_per_second: float) -> str:
    """`1.4 GB/s`"""
    return _("{size}/s").format(size=size(bytes_per_second))


def progress(done_bytes: int, total_bytes: int) -> str:
    """`1.2 GB of 26 GB`"""
    return _("{done} of {total}").format(done=size(done_bytes), total=size(total_bytes))


def time_left(seconds: float) -> str:
    """`2 min 10 s left`"""
    return _("{time} left").format(time=span(seconds))


def share(part: float, whole: float) -> str:
    """12 %, <1 %, >99 %: never 0 or 100 where it is not quite."""
    if whole <= 0:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "<1 %"
    if 99 < percent < 100:
        return ">99 %"
    return f"{percent:.0f} %"


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows (the first are headings) in columns two blanks apart: names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first = f"{row[0]:<{widths[0]}}"
        rest = [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join([first, *rest]).rstrip()
