"""The guide's row for a sequence length."""

from __future__ import annotations

import pytest

from backend.catalog.layouts import recommended_layout
from backend.catalog.model import Layout

ROWS = (Layout(8192, 8, 8, 8, 8), Layout(4096, 8, 4, 4, 8))


@pytest.mark.parametrize(
    ("seq_length", "row"), [(1, 4096), (4096, 4096), (4097, 8192), (8192, 8192), (32768, 8192)]
)
def test_takes_the_shortest_row_that_covers(seq_length, row):
    assert recommended_layout(ROWS, seq_length).seq_len == row


def test_no_rows_no_layout():
    assert recommended_layout((), 4096) is None
