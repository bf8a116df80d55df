from __future__ import annotations

from pathlib import Path

import pytest
from block_rows import read


def test_blank_lines_crlf_and_bom(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('\ufeff{"text": "a"}\r\n\r\n  \n{"text": "b", "n": NaN}\n'.encode())
    found = read(path)
    assert found.values == [("a",), ("b",)]
    assert found.numbers == [1, 4]


@pytest.mark.parametrize(
    ("line", "field", "why"),
    [
        (b'{"text": "b"', "", "not JSON: Expecting ',' delimiter at column 13"),
        (b'  {"text": b}', "", "not JSON: Expecting value at column 12"),
        (b'{"text": "b"} x', "", "not JSON: Extra data at column 15"),
        (b'{"text": "\t"}', "", "not JSON: Invalid control character at column 11"),
        (b'["b"]', "", "it is a list, not an object with named columns"),
        (b'"b"', "", "it is text, not an object with named columns"),
        (b"true", "", "it is true or false, not an object with named columns"),
        (b"1e3", "", "it is a number, not an object with named columns"),
        (b"null", "", "it is null, not an object with named columns"),
        (b'{"text": "a", "text": "b"}', "", "the column text is there twice"),
        (b'{"text": "b", "other": {"x": 1, "x": 2}}', "", "the column x is there twice"),
        (b' {"text": "caf\xe9"}', "", "not UTF-8: byte 15 is 0xE9; it looks like Latin-1"),
        (b'{"text": "\\ud83d."}', "text", "its text has half of a surrogate pair, which is not a character"),
        (
            b'{"text": [{"\\uDE00": 1}]}',
            "text",
            "its text has half of a surrogate pair, which is not a character",
        ),
        (b'{"text": ' + b"[" * 100_000, "", "it is nested too deeply"),
    ],
)
def test_a_bad_line_is_named_and_the_others_stay(tmp_path: Path, line: bytes, field: str, why: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n\n' + line + b'\n{"text": "c"}\n')
    found = read(path)
    assert found.values == [("a",), ("c",)]
    assert found.numbers == [1, 4]
    assert found.bad == [(3, field, why)]


def test_a_number_too_long_for_python_is_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"n": ' + b"1" * 5000 + b"}\n")
    found = read(path)
    assert found.values == [("a",)]
    assert [number for number, _field, _why in found.bad] == [2]


@pytest.mark.parametrize(("line", "cut"), [(b'{"text": "b', True), (b'{"text":', True), (b"{oops}", False)])
def test_a_last_line_without_its_end_seems_cut_off(tmp_path: Path, line: bytes, cut: bool) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n' + line)
    [(number, field, why)] = read(path).bad
    assert (number, field) == (2, "")
    assert why.endswith("; the file seems to be cut off") == cut
    path.write_bytes(b'{"text": "a"}\n' + line + b"\n")
    assert "cut off" not in read(path).bad[0][2]


def test_only_wanted_columns_must_be_characters(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a", "other": "\\ud83d"}\n{"text": "\\ud83d\\ude00"}\n')
    assert read(path).values == [("a",), ("\U0001f600",)]
    assert read(path, "text", "other").bad[0][:2] == (1, "other")
