from __future__ import annotations

from pathlib import Path

import pytest

from backend.node.data.inputs import find_inputs
from backend.node.job_lines import JobError


def names(folder: Path) -> list[str]:
    return [Path(path).name for path in find_inputs(str(folder))]


def touch(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).touch()


def test_a_folder_gives_its_most_frequent_kind_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.jsonl", "a.jsonl", "c.json", "LICENSE", "jsonl", ".d.json", ".e.json", ".f.json")
    (tmp_path / "sub.jsonl").mkdir()
    assert names(tmp_path) == ["a.jsonl", "b.jsonl"]


def test_the_first_kind_wins_a_tie(tmp_path: Path) -> None:
    touch(tmp_path, "b.json", "a.parquet")
    assert names(tmp_path) == ["a.parquet"]


def test_a_file_is_itself(tmp_path: Path) -> None:
    touch(tmp_path, "anything")
    assert find_inputs(str(tmp_path / "anything")) == [str(tmp_path / "anything")]


def test_nothing_found_says_what_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "a.bin")
    with pytest.raises(JobError, match="no training data") as caught:
        names(tmp_path)
    assert caught.value.why == "found: a.bin"
    with pytest.raises(JobError, match="no such file"):
        names(tmp_path / "missing")
