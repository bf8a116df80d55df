from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from block_rows import read
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.node.data.blocks import column_names, count_rows, first_rows, read_blocks
from backend.node.job_lines import JobError

# Texts as they can stand in a UTF-8 file.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SIZES = st.integers(1, 200)


def content_of(records: list[dict[str, Any]], shape: str, ascii_only: bool) -> bytes:
    def dump(value: object, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    shapes = {
        "lines": lambda: "\n".join(map(dump, records)),
        "crlf": lambda: "\ufeff\r\n" + "\r\n \r\n".join(map(dump, records)) + "\r\n",
        "array": lambda: dump(records),
        "pretty": lambda: "\ufeff" + dump(records, 2),
        "sequence": lambda: "\n".join(dump(record, 1) for record in records),
        "run": lambda: "".join(map(dump, records)),
    }
    return shapes[shape]().encode()


@settings(deadline=None, max_examples=80)
@given(
    st.lists(TEXTS, min_size=1),
    st.booleans(),
    st.sampled_from(["lines", "crlf", "array", "pretty", "sequence", "run"]),
    SIZES,
    st.booleans(),
)
def test_json_in_every_shape(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    ascii_only: bool,
    shape: str,
    block_bytes: int,
    packed: bool,
) -> None:
    records = [{"n": number, "text": text, "more": [{"a": text}]} for number, text in enumerate(texts)]
    content = content_of(records, shape, ascii_only)
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(gzip.compress(content) if packed else content)
    found = read(path, "text", "n", "more", "absent", block_bytes=block_bytes)
    assert found.values == [(text, n, [{"a": text}], None) for n, text in enumerate(texts)]
    assert found.bad == []
    assert column_names(str(path)) == ["n", "text", "more"]


LINES = st.sampled_from(
    [
        b'{"text": "a"}',
        b'{"text": "\xff"}',
        b'{"text": "caf\xe9"}',
        b'{"text": "\\ud83d"}',
        b'{"text": "\\ud83d\\ude00"}',
        b'{"text": "a", "text": "b"}',
        b'{"text": [{"b": 1, "b": 2}]}',
        b'{"text": "b"',
        b'{"text": NaN}',
        b"[1]",
        b"null",
        b"x",
        b" \t",
        b"",
        b'{"text": "a"} {"text": "b"}',
        b'  {"text": "c"}  \r',
    ]
)


@settings(deadline=None, max_examples=80)
@given(st.lists(LINES, max_size=12), SIZES, st.booleans())
def test_blocks_do_not_matter_to_bad_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], block_bytes: int, ended: bool
) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes(b"\n".join([b'{"text": "first"}', *lines]) + (b"\n" if ended else b""))
    small = read(path, block_bytes=block_bytes)
    assert repr(small) == repr(read(path))
    rows = [number for number, line in enumerate(lines, 2) if line.strip()]
    assert sorted(small.numbers + [number for number, _field, _why in small.bad]) == [1, *rows]


ELEMENTS = [
    b'{"text": "a"}',
    b'{"text": "\xff"}',
    b'{"text": "\\udc80"}',
    b'{"text": "a", "text": "b"}',
    b"12345678901234567890",
    b'"word"',
    b"-Infinity",
    b"oops",
    b'{"text": "b"',
]


@settings(deadline=None, max_examples=80)
@given(st.lists(st.sampled_from(ELEMENTS), min_size=1, max_size=12), st.integers(1, 40), st.booleans())
def test_chunks_do_not_matter_to_bad_records(
    tmp_path_factory: pytest.TempPathFactory, elements: list[bytes], chunk: int, closed: bool
) -> None:
    from backend.node.data import json_values

    path = tmp_path_factory.mktemp("array") / "a.json"
    path.write_bytes(b"[" + b", ".join(elements) + (b"]" if closed else b""))
    whole = read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "_CHUNK", chunk)
        assert read(path, block_bytes=chunk) == whole
    broken = min(
        [elements.index(name) for name in (ELEMENTS[-1], ELEMENTS[-2]) if name in elements], default=-1
    )
    if broken >= 0:
        assert max([*whole.numbers, *(bad[0] for bad in whole.bad)]) == broken + 1
        assert "nothing after it can be read" in whole.bad[-1][2]
    else:
        assert len(whole.numbers) + len(whole.bad) == len(elements) + (not closed)
    assert len(whole.numbers) == elements[: broken if broken >= 0 else None].count(ELEMENTS[0])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1), SIZES, st.sampled_from(["\n", "\r\n"]))
def test_csv_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], block_bytes: int, end: str
) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "other"), *cells])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(stream.getvalue().encode())
    found = read(path, "other", "text", "absent", block_bytes=block_bytes)
    assert found.values == [(other, text, None) for text, other in cells]


@settings(deadline=None, max_examples=80)
@given(st.text(st.sampled_from("ab\n\r\f\x85\u2028 é"), min_size=1, max_size=40), SIZES)
def test_text_has_universal_newlines(
    tmp_path_factory: pytest.TempPathFactory, content: str, block_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes(content.encode())
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    expected = lines[:-1] if lines[-1] == "" else lines
    found = read(path, "text", "other", block_bytes=block_bytes)
    assert found.values == [(line, None) for line in expected]
    assert found.numbers == list(range(1, len(expected) + 1))


def test_several_files_follow_one_another(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "b.txt").write_text("b\nc\n")
    files = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.txt")]
    blocks = list(read_blocks(files, ["text"]))
    assert [block.rows(["text"]).columns["text"] for block in blocks] == [["a"], ["b", "c"]]
    assert [(block.first, block.done) for block in blocks] == [(0, 14), (0, 18)]


def test_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [f'{{"a": "{number}"}}' if number % 10 else "oops" for number in range(20_000)]
    path.write_text("\n".join(lines))
    rows = first_rows(str(path), ["a", "b"], 12_000)
    assert rows.total == 12_000
    assert len(rows.bad) == 1200
    assert rows.numbers[-1] == 12_000
    assert rows.places == [number - 1 for number in rows.numbers]
    assert rows.columns["a"] == [str(number - 1) for number in rows.numbers]
    assert set(rows.columns["b"]) == {None}
    few = first_rows(str(path), None, 3)
    assert (few.total, few.numbers, few.columns) == (3, [2, 3], {"a": ["1", "2"]})
    assert [bad.number for bad in few.bad] == [1]
    assert first_rows(str(path), ["a"], 10**6).total == 20_000


def test_columns_of_the_first_records(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\noops\n{"b": 2, "a": 3}\n[]\n' + '{"c": 1}\n' * 200 + '{"late": 1}\n')
    assert column_names(str(path)) == ["a", "b", "c"]
    table = tmp_path / "a.csv"
    table.write_text('\ufeffn,"te\nxt"\n1,2\n', encoding="utf-8")
    assert column_names(str(table)) == ["n", "te\nxt"]
    plain = tmp_path / "a.txt"
    plain.write_text("words")
    assert column_names(str(plain)) == ["text"]


def test_a_damaged_packed_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = "".join(json.dumps({"text": f"text {number} {number**7}"}) + "\n" for number in range(50_000))
    whole = gzip.compress(lines.encode())
    path.write_bytes(whole)
    assert count_rows(str(path)) == 50_000
    for content in (whole[:-100], whole[:100_000] + b"\0" * 1000 + whole[101_000:]):
        path.write_bytes(content)
        with pytest.raises(JobError, match=r"a\.jsonl\.gz cannot be unpacked") as caught:
            count_rows(str(path))
        assert caught.value.why
