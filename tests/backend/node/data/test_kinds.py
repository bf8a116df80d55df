from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from backend.node.data.kinds import CSV, JSON_LINES, JSON_VALUES, PARQUET, TEXT, kind_of
from backend.node.job_lines import JobError

OBJECT = b'{"text": "a [b] {c}"}'


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.jsonl", OBJECT + b"\n" + OBJECT, JSON_LINES),
        ("a.json", OBJECT, JSON_LINES),
        ("a.json", b"\xef\xbb\xbf\n " + OBJECT + b"\r\n", JSON_LINES),
        ("a.jsonl", b"[" + OBJECT + b"]", JSON_VALUES),
        ("a.jsonl", b"\xef\xbb\xbf[\n" + OBJECT + b"\n]", JSON_VALUES),
        ("a", b'{\n "text": "a"\n}', JSON_VALUES),
        ("a", b'{"text": "a",\n "b": "c"}', JSON_VALUES),
        ("a.json", OBJECT + OBJECT, JSON_VALUES),
        ("a.json", OBJECT + b" " + OBJECT + b"\n", JSON_VALUES),
        # Broken lines are broken lines, and no objects that go on.
        ("a.jsonl", b'{"text": "a\n' + OBJECT, JSON_LINES),
        ("a.jsonl", b'{"text": oops}\n' + OBJECT, JSON_LINES),
        ("a.jsonl", OBJECT + b", \n" + OBJECT, JSON_LINES),
        ("a.jsonl", b'{"text": "' + b"x" * 100_000 + b'"}\n', JSON_LINES),
        ("a.txt", b"[Chapter 1]\nIt was\n", TEXT),
        ("a.txt", OBJECT, TEXT),
        ("a.txt", b"\n\n", TEXT),
        ("a.csv", b"text,n\na,1\n", CSV),
        ("a.csv", b"[a],{b}\n", CSV),
        ("a.csv", OBJECT + b"\n", JSON_LINES),
        ("a.json", b"PAR1....", PARQUET),
    ],
)
def test_the_content_tells_the_kind(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert kind_of(str(path)) == kind
    packed = tmp_path / (name + ".gz")
    packed.write_bytes(gzip.compress(content))
    if kind != PARQUET:
        assert kind_of(str(packed)) == kind


@pytest.mark.parametrize(
    ("content", "what", "why"),
    [
        (b"", "is empty", "no rows"),
        (b"\n \r\n", "is blank", "no rows"),
        (json.dumps({"text": "a"}).encode("utf-16"), "cannot be read", "UTF-16"),
        (json.dumps({"text": "a"}).encode("utf-16-le"), "cannot be read", "UTF-16"),
        (json.dumps({"text": "a"}).encode("utf-32"), "cannot be read", "UTF-32"),
        (b"ARROW1\0\0", "cannot be read", "Arrow"),
        (b"MMIDIDX\0\0\1", "cannot be read", "index of preprocessed data"),
        (b"PK\x03\x04", "cannot be read", "zip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "cannot be read", "Git LFS"),
        (b"just words", "not training data of a known kind", "it starts with 'just words'"),
    ],
)
def test_what_is_no_training_data_is_named(tmp_path: Path, content: bytes, what: str, why: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(JobError, match=what) as caught:
        kind_of(str(path))
    assert caught.value.field == "input"
    assert why in caught.value.why


def test_a_broken_first_line_does_not_hide_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'oops\n{"text": "a"}\n')
    assert kind_of(str(path)) == JSON_LINES
