from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from backend.node.weights.mapped_file import MappedFile, can_be_shape


def resident_kib(path: Path) -> int:
    """How much of the mappings of a file is in memory."""
    inside, found = False, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


def test_values_are_views_of_the_file_and_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(np.arange(10, dtype="<u2").tobytes())
    made = MappedFile(str(path)).array(2, 3, "bf16")
    assert made.data.tolist() == [1, 2, 3]
    assert not made.data.flags.writeable
    assert not made.data.flags.owndata


def test_released_pages_leave_memory_and_views_stay_valid(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\x01" * (4 << 20))
    file = MappedFile(str(path))
    data = file.array(0, 4 << 20, "uint8").data
    assert int(data.sum()) == 4 << 20
    assert resident_kib(path) > 3 << 10
    file.release(mmap.PAGESIZE + 100, 3 << 20)
    assert resident_kib(path) < 2 << 10
    assert int(data.sum()) == 4 << 20


def test_an_empty_file_has_no_values(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    file = MappedFile(str(path))
    assert (file.size, file.read(0, 8), file.array(0, 0, "fp32").data.size) == (0, b"", 0)
    file.release(0, 0)


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, 3), (5, 1)])
def test_values_outside_are_refused(tmp_path: Path, start: int, count: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(8))
    with pytest.raises(ValueError, match="are not in"):
        MappedFile(str(path)).array(start, count, "fp32")


def test_shapes_that_numpy_cannot_hold_are_known() -> None:
    assert can_be_shape((0, 4, 1 << 30))
    assert not can_be_shape((0, 1 << 62))
    assert not can_be_shape((1,) * 65)
