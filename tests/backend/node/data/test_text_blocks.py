from __future__ import annotations

from pathlib import Path

import pytest
from block_rows import read


@pytest.mark.parametrize("block_bytes", [1, 5, 1 << 20])
def test_a_bad_line_is_named(tmp_path: Path, block_bytes: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\r\n\r\nb\xe4\xb8\rd\n\n")
    found = read(path, block_bytes=block_bytes)
    assert found.values == [("a",), ("",), ("d",), ("",)]
    assert found.numbers == [1, 2, 4, 5]
    assert found.bad == [(3, "", "not UTF-8: byte 2 is 0xE4")]


def test_a_long_line_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\ufeff" + "x" * 100_000 + "\nend", encoding="utf-8")
    assert read(path, block_bytes=100).values == [("\ufeff" + "x" * 100_000,), ("end",)]


def test_other_columns_are_absent(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a\n")
    assert read(path, "instruction", "text").values == [(None, "a")]
