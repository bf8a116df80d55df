from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.node.data.readers import read_rows
from backend.node.job_lines import JobError

# Texts as they can stand in a UTF-8 file.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def values(path: Path, *keys: str) -> list[tuple[object, ...]]:
    return [row.values for row in read_rows(str(path), keys or ("text",))]


@settings(deadline=None, max_examples=30)
@given(st.lists(TEXTS, min_size=1), st.booleans(), st.sampled_from(["lines", "array", "pretty", "sequence"]))
def test_json_in_every_shape(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], ascii_only: bool, shape: str
) -> None:
    records = [{"n": number, "text": text} for number, text in enumerate(texts)]

    def dump(value: object, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    content = {
        "lines": "\n".join(map(dump, records)),
        "array": dump(records),
        "pretty": dump(records, 2),
        "sequence": "\n".join(dump(record, 1) for record in records),
    }[shape]
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(content.encode())
    assert values(path) == [(text,) for text in texts]


@settings(deadline=None, max_examples=30)
@given(st.text(st.sampled_from("ab\n\r\f\x85\u2028 "), max_size=30).filter(bool))
def test_text_has_universal_newlines(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes(content.encode())
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    expected = lines[:-1] if lines[-1] == "" else lines
    assert values(path) == [(line,) for line in expected]


def test_blank_lines_crlf_and_bom(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('\ufeff{"text": "a"}\r\n\r\n  \n{"text": "b", "n": NaN}\n'.encode())
    rows = list(read_rows(str(path), ["text"]))
    assert [row.values for row in rows] == [("a",), ("b",)]
    assert rows[1].where == f"line 4 of {path}"
    assert rows[1].done == path.stat().st_size


def test_the_content_counts_when_the_suffix_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('[{"text": "a"},\n {"text": "b"}]')
    assert values(path) == [("a",), ("b",)]
    bare = tmp_path / "records"
    bare.write_text('{"text": "a"}\n{"text": "b"}')
    assert values(bare) == [("a",), ("b",)]


def test_parquet_under_any_name(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.json"
    table = pyarrow.table({"text": [f"t{number}" for number in range(2500)], "n": list(range(2500))})
    parquet.write_table(table, path, row_group_size=700)
    rows = list(read_rows(str(path), ["text"]))
    assert [row.values for row in rows] == [(f"t{number}",) for number in range(2500)]
    assert rows[-1].done == path.stat().st_size
    with pytest.raises(JobError, match="has no column body") as caught:
        values(path, "body")
    assert "text, n" in caught.value.why
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(JobError, match="cannot read"):
        values(path)


def test_csv_keeps_text_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('n,text\n1,"a ""b"",\nc"\n2,NA\n\n3,\n4\n')
    assert values(path) == [('a "b",\nc',), ("NA",), ("",), (None,)]
    assert values(path, "text", "n")[1] == ("NA", "2")


def test_missing_columns_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "1", "b": 2}\n{"b": null}\n')
    assert values(path, "a", "b") == [("1", 2), (None, None)]


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"\n{"text": "c"}\n', "line 2"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "b', "line 2"),
        ("a.jsonl", b'{"text": "a"}\n["b"]\n', "line 2"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "a", "text": "b"}\n', "line 2"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', "line 2"),
        ("a.txt", b"a\nb\n\xe4\xb8\nd\n", "line 3"),
        ("a.json", b'[{"text": "a"}, {"text": b}]', "record 2"),
        ("a.json", b'[{"text": "a"} {"text": "b"}]', "record 1"),
        ("a.json", b'[{"text": "a"}, {"text": "b"', "record 2"),
        ("a.json", b'[{"text": "a"}', "record 1"),
        ("a.json", b'[{"text": "a"}, 3]', "record 2"),
        ("a.json", b'[{"text": "a"}] 3', "record 1"),
        ("a.json", '{"text": "a"}'.encode("utf-16"), "a.json"),
        ("a.json", b"", "a.json is empty"),
        ("a.parquet", b"nothing of the kind", "a.parquet"),
        ("a.jsonl.gz", b"\x1f\x8b\x08\x00", "gzip"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, place: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(JobError, match=place):
        values(path)


def test_an_error_early_in_a_large_array_does_not_read_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.node.data import json_values

    monkeypatch.setattr(json_values, "_CHUNK", 64)
    path = tmp_path / "a.json"
    path.write_text("[" + ", ".join(['{"text": "a"}', '{"text": oops}', *['{"text": "b"}'] * 1000]) + "]")
    with path.open(encoding="utf-8") as stream:
        reader = iter(json_values.JsonValues(stream, str(path)))
        assert next(reader) == {"text": "a"}
        with pytest.raises(JobError, match="record 2"):
            next(reader)
        assert len(stream.read()) > 10_000


@settings(deadline=None, max_examples=30)
@given(st.lists(st.dictionaries(TEXTS, TEXTS | st.floats() | st.none())), st.integers(1, 40))
def test_chunks_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]], chunk: int
) -> None:
    from io import StringIO

    from backend.node.data import json_values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "_CHUNK", chunk)
        found = list(json_values.JsonValues(StringIO(json.dumps(records)), "a.json"))
    assert json.dumps(found) == json.dumps(records)
