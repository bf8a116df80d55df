from __future__ import annotations

from pathlib import Path

import pytest

from backend.node.data.inputs import find_inputs, is_preprocessed
from backend.node.job_lines import JobError


def names(wanted: object) -> list[str]:
    return [Path(path).name for path in find_inputs(wanted if isinstance(wanted, list) else str(wanted))]


def touch(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).touch()


def test_a_folder_gives_its_most_frequent_kind_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.jsonl", "a.jsonl", "c.json", "LICENSE", "jsonl", ".d.json", ".e.json", ".f.json")
    (tmp_path / "sub.jsonl").mkdir()
    assert names(tmp_path) == ["a.jsonl", "b.jsonl"]


def test_a_tie_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "b.json", "a.parquet")
    with pytest.raises(JobError, match=r"as many \.parquet as \.json"):
        names(tmp_path)


def test_packed_files_count_as_what_is_in_them(tmp_path: Path) -> None:
    touch(tmp_path, "c.jsonl", "a.jsonl.gz", "b.jsonl.zst", "d.json", "e.json", "f.gz", "g.bin.gz")
    assert names(tmp_path) == ["a.jsonl.gz", "b.jsonl.zst", "c.jsonl"]


def test_a_packed_file_beside_itself_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.jsonl", "a.jsonl.gz")
    with pytest.raises(JobError, match=r"a\.jsonl\.gz lies beside a\.jsonl"):
        names(tmp_path)


def test_a_file_is_itself(tmp_path: Path) -> None:
    touch(tmp_path, "any[thing]*")
    assert names(tmp_path / "any[thing]*") == ["any[thing]*"]


def test_globs_and_lists_keep_the_order_given(tmp_path: Path) -> None:
    touch(tmp_path, "b2.json", "b1.json", "a.txt")
    (tmp_path / "b3.json").mkdir()
    assert names(tmp_path / "b*.json") == ["b1.json", "b2.json"]
    assert names([str(tmp_path / "b?.json"), str(tmp_path / "a.txt")]) == ["b1.json", "b2.json", "a.txt"]
    with pytest.raises(JobError, match=r"b1\.json is named twice"):
        names([str(tmp_path / "b*.json"), str(tmp_path / "b1.json")])


def test_nothing_found_says_what_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "a.bin")
    with pytest.raises(JobError, match="no training data") as caught:
        names(tmp_path)
    assert caught.value.why == "found: a.bin"
    with pytest.raises(JobError, match="no such file"):
        names(tmp_path / "missing")
    with pytest.raises(JobError, match="not a regular file"):
        names("/dev/null")
    with pytest.raises(JobError, match="no file fits"):
        names(tmp_path / "*.json")
    with pytest.raises(JobError, match="no training data is named"):
        names([])


def test_token_files_are_known_by_their_index(tmp_path: Path) -> None:
    touch(tmp_path, "a.bin", "b.bin", "b.idx", "c.bin")
    (tmp_path / "a.idx").write_bytes(b"MMIDIDX\x00\x00" + b"\x00" * 25)
    halves = ["a.bin", "a.idx", "b.bin", "b.idx", "c.bin", "c.idx"]
    assert {name for name in halves if is_preprocessed(str(tmp_path / name))} == {"a.bin", "a.idx"}
