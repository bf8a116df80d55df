from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from block_rows import read

from backend.node.data.blocks import column_names, count_rows, read_blocks
from backend.node.job_lines import JobError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.torch


def write(path: Path, columns: dict[str, Any], **options: Any) -> None:
    parquet.write_table(pyarrow.table(columns), path, **options)


@pytest.mark.parametrize("block_bytes", [1, 5000, 1 << 20])
def test_rows_of_several_groups(tmp_path: Path, block_bytes: int) -> None:
    path = tmp_path / "a.json"
    write(path, {"text": [f"t{n}" for n in range(2500)], "n": list(range(2500))}, row_group_size=700)
    found = read(path, "n", "text", "absent", block_bytes=block_bytes)
    assert found.values == [(n, f"t{n}", None) for n in range(2500)]
    assert found.numbers == list(range(1, 2501))
    assert count_rows(str(path)) == 2500
    assert column_names(str(path)) == ["text", "n"]
    assert list(read_blocks([str(path)], ["text"], block_bytes))[-1].done == path.stat().st_size


def test_every_type_of_text_and_nested_columns(tmp_path: Path) -> None:
    texts = ["a", None, "文" * 100, ""]
    chats = [[{"from": "human", "value": "x"}], [], None, [{"from": "gpt", "value": None}]]
    path = tmp_path / "a.parquet"
    columns = {
        "large": pyarrow.array(texts, pyarrow.large_string()),
        "dictionary": pyarrow.array(texts).dictionary_encode(),
        "view": pyarrow.array(texts, pyarrow.string_view()),
        "chat": pyarrow.array(chats),
        "a.b": pyarrow.array(texts),
        "turns": pyarrow.array([{"turn_1": {"Human": "x"}, "turn_2": None}] * 4),
    }
    write(path, columns)
    turns = {"turn_1": {"Human": "x"}, "turn_2": None}
    expected = [(text, text, text, chat, text, turns) for text, chat in zip(texts, chats, strict=True)]
    for block_bytes in (10, 1 << 20):
        assert read(path, *columns, block_bytes=block_bytes).values == expected


def test_no_wanted_column_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, {"body": ["a", "b"]})
    assert read(path).values == [(None,), (None,)]


def test_bytes_that_are_no_characters(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    raw = pyarrow.array([b"a", b"caf\xe9", b"c"])
    text = pyarrow.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    write(path, {"text": text, "n": [1, 2, 3]})
    found = read(path, "n", "text")
    assert found.values == [(1, "a"), (3, "c")]
    assert found.numbers == [1, 3]
    assert found.bad == [(2, "text", "not UTF-8: byte 4 is 0xE9; it looks like Latin-1")]


def test_blocks_stay_small_where_rows_are_long(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, {"text": ["x"] * 1000 + [f"{n:03}" * 10_000 for n in range(100)]}, use_dictionary=False)
    blocks = list(read_blocks([str(path)], ["text"], 100_000))
    sizes = [sum(map(len, block.rows(["text"]).columns["text"])) for block in blocks]
    assert sum(sizes) == 1000 + 100 * 30_000
    assert max(sizes) < 300_000


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, {"text": [f"t{n}" for n in range(2500)]}, compression="zstd")
    whole = path.read_bytes()
    for content in (whole[:-30], whole[: len(whole) // 2], b"PAR1", whole[:100] + b"\0" * 500 + whole[600:]):
        path.write_bytes(content)
        with pytest.raises(JobError, match=r"cannot read .*a\.parquet") as caught:
            read(path)
        assert caught.value.why


def test_values_that_python_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    days = pyarrow.array([0, 10**15, 1], pyarrow.timestamp("s"))
    write(path, {"text": ["a", "b", "c"], "day": days})
    [(number, field, why)] = read_rows_of_days(path)
    assert (number, field) == (2, "day")
    assert why


def read_rows_of_days(path: Path) -> list[tuple[int, str, str]]:
    """Without a comparison as JSON, which has no dates."""
    [block] = read_blocks([str(path)], ["text", "day"])
    rows = block.rows(["text", "day"])
    assert rows.columns["text"] == ["a", "c"]
    return [(row.number, row.field, row.why) for row in rows.bad]


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table([["a"], ["b"], ["c"]], names=["text", "text", "n"]), path)
    with pytest.raises(JobError, match="has a wanted column twice"):
        read(path)
    assert read(path, "n").values == [("c",)]
