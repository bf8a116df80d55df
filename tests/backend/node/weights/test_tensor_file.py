from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from backend.node.job_lines import StorageError
from backend.node.weights.tensor_file import TensorFile, can_be_shape


def resident_kib(path: Path) -> int:
    """How much of the mappings of a file is in memory."""
    inside, found = False, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


def test_values_are_copies_and_the_file_is_never_mapped(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(np.arange(1 << 20, dtype="<u2").tobytes())
    file = TensorFile(str(path))
    made = file.array(2, 3, "bf16")
    assert made.data.tolist() == [1, 2, 3]
    made.data[:] = 7
    assert file.array(2, 3, "bf16").data.tolist() == [1, 2, 3]
    assert file.array(0, 1 << 20, "bf16").data.tobytes() == path.read_bytes() == file.buffer
    assert resident_kib(path) == 0


def test_bytes_end_where_the_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    file = TensorFile(str(path))
    assert (file.read(2, 3), file.read(8, 9), file.read(10, 1), file.read(99, 1)) == (b"234", b"89", b"", b"")
    assert file.read(-1, 4) == b""
    with path.open("ab") as stream:
        stream.write(b"more")
    assert (file.size, file.read(8, 9)) == (10, b"89")


def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(10_000))
    file = TensorFile(str(path))
    os.truncate(path, 5000)
    assert len(file.read(4000, 2000)) == 1000
    with pytest.raises(StorageError, match=r"cannot read .*/a$") as caught:
        file.array(4000, 2000, "uint8")
    assert "shorter" in caught.value.why


def test_a_large_file_has_a_large_head(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as stream:
        stream.truncate(100 << 20)
    assert len(TensorFile(str(path)).buffer) == 64 << 20


def test_an_empty_file_has_no_values(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    file = TensorFile(str(path))
    assert (file.size, file.read(0, 8), file.array(0, 0, "fp32").data.size) == (0, b"", 0)


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, 3), (5, 1)])
def test_values_outside_are_refused(tmp_path: Path, start: int, count: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(8))
    with pytest.raises(ValueError, match="are not in"):
        TensorFile(str(path)).array(start, count, "fp32")


def test_shapes_that_numpy_cannot_hold_are_known() -> None:
    assert can_be_shape((0, 4, 1 << 30))
    assert not can_be_shape((0, 1 << 62))
    assert not can_be_shape((1,) * 65)
