from __future__ import annotations

from pathlib import Path

import pytest
from block_rows import read

from backend.node.data import csv_rows
from backend.node.job_lines import JobError


def test_cells_are_text_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffn,text\n1,"a ""b"",\nc"\n02,NA\n\n \t\n3,\r\n4, x '.encode())
    found = read(path, "text", "n")
    assert found.values == [('a "b",\nc', "1"), ("NA", "02"), ("", "3"), (" x ", "4")]
    assert found.numbers == [2, 4, 7, 8]
    assert found.bad == []


def test_a_row_of_another_width_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('n,text\n1\n2,"a\nb"\n3,c,d\n4,e\n')
    found = read(path)
    assert found.values == [("a\nb",), ("e",)]
    assert found.numbers == [3, 6]
    assert found.bad == [
        (2, "", "the header names 2 columns, this row has 1"),
        (5, "", "the header names 2 columns, this row has 3"),
    ]


def test_bytes_that_are_no_characters(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"n,text\n1,caf\xe9\n2,a\n")
    found = read(path)
    assert found.values == [("a",)]
    assert found.bad == [(2, "text", "not UTF-8: byte 4 is 0xE9; it looks like Latin-1")]


def test_one_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text\na\n\n""\n  \n')
    assert read(path).values == [("a",), ("",), ("  ",)]


def test_an_open_quotation_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text('n,text\n1,a\n2,"b\n3,c\n')
    found = read(path)
    assert found.values == [("a",)]
    assert found.bad == [(3, "", "a quotation mark is not closed")]
    monkeypatch.setattr(csv_rows, "MOST_CHARACTERS", 1000)
    path.write_text('n,text\n1,a\n2,"b\n' + "3,c\n" * 1000)
    found = read(path)
    assert found.values == [("a",)]
    [(number, _field, why)] = found.bad
    assert number == 3
    assert why.endswith("; nothing after it can be read")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n\n", "is blank"),
        (b"text,n,text\n1,2,3\n", "header of .* cannot be used"),
        (b"t\xe9xt\n1\n", "header of .* cannot be used"),
    ],
)
def test_a_header_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(JobError, match=message):
        read(path)
