"""Sizes as people read them. Pure."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size_words(size: float) -> str:
    """Bytes in powers of 1000: 999 B, 1.2 kB, 34 MB."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.1f} {_UNITS[unit]}" if unit and size < 9.95 else f"{size:,.0f} {_UNITS[unit]}"
