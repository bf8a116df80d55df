from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_tensor_file import resident_kib

from backend.node.job_lines import StorageError
from backend.node.weights.rectangles import copy_rectangle, read_rectangle, row_width
from backend.node.weights.tensor_file import TensorFile

SIZES = [(7, 5), (300, 4000), (40, 60_000)]


@pytest.mark.parametrize(("rows", "width"), SIZES)
@pytest.mark.parametrize("whole_rows", [True, False])
@pytest.mark.parametrize("apart", [True, False])
def test_every_way_of_reading_answers_the_same(
    tmp_path: Path, rows: int, width: int, whole_rows: bool, apart: bool
) -> None:
    """In one, row by row, or through a buffer; to values that lie together or not."""
    table = np.arange(rows * width, dtype="<u4").reshape(rows, width)
    path = tmp_path / "table"
    path.write_bytes(b"head" + table.tobytes())
    first, columns = (0, width) if whole_rows else (1, width // 2)
    room = np.zeros((rows, 2 * width), "<u4")
    out = room[1:-1, :columns] if apart else np.zeros((rows - 2, columns), "<u4")
    read_rectangle(TensorFile(str(path)), 4, width, 1, first, out)
    assert np.array_equal(out, table[1:-1, first : first + columns])
    again = np.zeros_like(out)
    copy_rectangle(table, 1, first, again)
    assert np.array_equal(again, out)
    assert not room[:, columns:].any()
    assert resident_kib(path) <= 256


def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(bytes(1 << 20))
    file = TensorFile(str(path))
    with path.open("r+b") as stream:
        stream.truncate(4096)
    with pytest.raises(StorageError, match="cannot read") as caught:
        read_rectangle(file, 0, 1024, 0, 0, np.empty((1024, 1024), "u1"))
    assert "shorter" in caught.value.why


def test_one_dimension_is_rows_of_one_column() -> None:
    assert (row_width((5,)), row_width((5, 3)), row_width((5, 3, 2))) == (1, 3, 6)
