"""Which of the guide's recommended layouts fits a sequence length."""

from __future__ import annotations

from backend.catalog.model import Layout


def recommended_layout(layouts: tuple[Layout, ...], seq_length: int) -> Layout | None:
    """The row for the shortest sequence that covers `seq_length` tokens; the longest row beyond the table.

    None when the guide has no row at all.
    """
    rows = sorted(layouts, key=lambda row: row.seq_len)
    covering = [row for row in rows if row.seq_len >= seq_length]
    if covering:
        return covering[0]
    return rows[-1] if rows else None
