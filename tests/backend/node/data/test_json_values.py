from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from block_rows import read
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.node.data import json_values
from backend.node.data.json_values import read_values

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize(
    ("content", "good", "why"),
    [
        (b'[{"text": "a"}, {"text": b}]', 1, "not JSON: Expecting value at column 10"),
        (b'[{"text": "a"} {"text": "b"}]', 1, "',' is missing before it"),
        (b'[{"text": "a"}, {"text": "b"', 1, "the file seems to be cut off"),
        (b'[{"text": "a"}, {\xe4: "b"}]', 1, "not UTF-8: byte 2 is 0xE4"),
        (b'[{"text": "a"}, {"text": "b\xe4', 1, "the file seems to be cut off"),
        (b'[{"text": "a"}', 1, "']' is missing: the file seems to be cut off"),
        (b'[{"text": "a"}, ', 1, "the file seems to be cut off"),
        (b'[{"text": "a"}, ]', 1, "not JSON: Expecting value at column 1"),
        (b'[{"text": "a"}] {"text": "b"}', 1, "there is more after the end of the array"),
        (b'[{"text": "a"}, {"text": ' + b"[" * 100_000, 1, "it is nested too deeply"),
        (b'{\n"text": "a"}\n{\n"text": "b"', 1, "the file seems to be cut off"),
    ],
)
def test_nothing_can_be_read_after_broken_json(tmp_path: Path, content: bytes, good: int, why: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    found = read(path)
    assert found.values == [("a",)] * good
    [(number, field, found_why)] = found.bad
    assert (number, field) == (good + 1, "")
    assert why in found_why
    assert found_why.endswith("; nothing after it can be read")


@pytest.mark.parametrize(
    ("record", "field", "why"),
    [
        (b"3", "", "it is a number, not an object with named columns"),
        (b'{"text": "caf\xe9"}', "", "not UTF-8: byte 14 is 0xE9; it looks like Latin-1"),
        (b'{"text": "\\udcff"}', "text", "its text has half of a surrogate pair, which is not a character"),
        (b'{"text": {"a": 1, "a": 2}}', "", "the column a is there twice"),
    ],
)
def test_a_refused_record_does_not_touch_the_others(
    tmp_path: Path, record: bytes, field: str, why: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"text": "a"},\n' + record + b',\n{"text": "c"}]')
    found = read(path)
    assert found.values == [("a",), ("c",)]
    assert found.numbers == [1, 3]
    assert found.bad == [(2, field, why)]


def test_an_error_early_in_a_large_array_does_not_read_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "_CHUNK", 64)
    content = ", ".join(['{"text": "a"}', '{"text": oops}', *['{"text": "b"}'] * 1000])
    stream = io.BytesIO(f"[{content}]".encode())
    good, broken = read_values(stream)
    assert good.value == {"text": "a"}
    assert (broken.number, broken.value, broken.text) == (2, None, "")
    assert len(stream.read()) > 10_000


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.dictionaries(TEXTS, TEXTS | st.floats() | st.integers() | st.none())),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
)
def test_chunks_do_not_matter(records: list[dict[str, object]], chunk: int, indent: int | None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "_CHUNK", chunk)
        content = json.dumps(records, ensure_ascii=False, indent=indent).encode()
        found = list(read_values(io.BytesIO(content)))
    assert json.dumps([record.value for record in found]) == json.dumps(records)
    assert json.dumps([json.loads(record.text) for record in found]) == json.dumps(records)
