from __future__ import annotations

import errno
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from block_rows import Found, read
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.node.data.blocks import count_rows
from backend.node.data.split import split
from backend.node.job_lines import JobError, StorageError


def together(paths: list[str], *columns: str) -> list[Any]:
    parts: list[Found] = [read(Path(path), *columns) for path in paths]
    assert not any(part.bad for part in parts)
    return [row for part in parts for row in part.values]


def lines(count: int) -> str:
    return "".join(json.dumps({"text": f"文 {n}", "n": n}, ensure_ascii=False) + "\n" for n in range(count))


def test_lines_are_copied_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    odd = [b'{"text": "a",   "text": "b"}', b"oops \xe9", b'\t{"n": 1.0e5}\r']
    content = lines(200).encode().splitlines() + odd
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + b"\n\n".join(content)))
    paths = split(str(path), str(tmp_path / "out"), 3)
    assert [Path(name).name for name in paths] == [f"a-0000{n}-of-00003.jsonl" for n in (1, 2, 3)]
    assert [count_rows(name) for name in paths] == [50, 100, 53]
    assert b"".join(Path(name).read_bytes() for name in paths) == b"".join(line + b"\n" for line in content)
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [Path(name).name for name in paths]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 7))
def test_every_border_lies_at_a_multiple(
    tmp_path_factory: pytest.TempPathFactory, rows: int, parts: int, multiple: int
) -> None:
    folder = tmp_path_factory.mktemp("split")
    path = folder / "a.jsonl"
    path.write_text(lines(rows), encoding="utf-8")
    groups = -(-rows // multiple)
    if parts > groups:
        with pytest.raises(JobError, match="cannot be cut into") as caught:
            split(str(path), str(folder), parts, multiple)
        assert str(groups) in caught.value.fix
        return
    paths = split(str(path), str(folder), parts, multiple)
    counts = [count_rows(name) for name in paths]
    assert all(count % multiple == 0 for count in counts[:-1])
    assert max(counts) - min(counts[:-1] or counts) <= multiple
    assert together(paths, "n") == [(n,) for n in range(rows)]


def test_arrays_become_lines(tmp_path: Path) -> None:
    records = [{"text": f"a\n\u2028{n}", "n": [n, {"x": 1.5}]} for n in range(120)]
    (tmp_path / "a.json").write_text(json.dumps(records, indent=2), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps(records[0]), encoding="utf-8")
    paths = split(str(tmp_path), str(tmp_path / "out"), 2)
    assert [Path(name).name for name in paths] == ["a-00001-of-00002.jsonl", "a-00002-of-00002.jsonl"]
    assert together(paths, "text", "n") == [
        (record["text"], record["n"]) for record in [*records, records[0]]
    ]
    (tmp_path / "c.json").write_text('[{"text": "a"}, oops]')
    for folder in (tmp_path / "more", tmp_path / "deep" / "er"):
        with pytest.raises(JobError, match=r"record 2 of .*c\.json cannot be copied"):
            split(str(tmp_path), str(folder), 2)
    assert not (tmp_path / "more").exists()
    assert not (tmp_path / "deep").exists()
    # a folder that was there stays
    (tmp_path / "mine").mkdir()
    with pytest.raises(JobError, match="cannot be copied"):
        split(str(tmp_path), str(tmp_path / "mine"), 2)
    assert not any((tmp_path / "mine").iterdir())


def test_text_and_csv(tmp_path: Path) -> None:
    texts = [f"line {n}\x0c\u2028" if n % 3 else "" for n in range(100)]
    (tmp_path / "a.txt").write_bytes("".join(f"{text}\r" for text in texts).encode())
    paths = split(str(tmp_path / "a.txt"), str(tmp_path), 2)
    assert together(paths) == [(text,) for text in texts]
    cells = [(f'a "{n}",\r\n\rb', "", str(n)) for n in range(100)]
    table = "".join('"{}","{}","{}"\n'.format(*(cell.replace('"', '""') for cell in row)) for row in cells)
    (tmp_path / "a.csv").write_bytes(("text,empty,n\n\n" + table).encode())
    paths = split([str(tmp_path / "a.csv")], str(tmp_path), 2)
    assert together(paths, "text", "empty", "n") == cells


def test_csv_with_another_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,n\na,1\n")
    (tmp_path / "b.csv").write_text("n,text\n1,a\n")
    with pytest.raises(JobError, match="have other columns"):
        split(str(tmp_path), str(tmp_path / "out"), 1)
    (tmp_path / "c.csv").write_text('text\n"a\n')
    with pytest.raises(JobError, match="cannot be copied"):
        split(str(tmp_path / "c.csv"), str(tmp_path / "out"), 1)


@pytest.mark.torch
def test_parquet_stays_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for name, first in (("a", 0), ("b", 130)):
        rows = range(first, first + 130)
        table = pyarrow.table({"text": [f"t{n}" for n in rows], "chat": [[{"n": n}] for n in rows]})
        parquet.write_table(table, tmp_path / f"{name}.parquet", row_group_size=30)
    paths = split(str(tmp_path), str(tmp_path / "out"), 4)
    assert [count_rows(name) for name in paths] == [50, 100, 50, 60]
    assert together(paths, "text", "chat") == [(f"t{n}", [{"n": n}]) for n in range(260)]


def test_kinds_do_not_mix_and_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(60), encoding="utf-8")
    (tmp_path / "b.txt").write_text("b\n")
    with pytest.raises(JobError, match="not of one kind"):
        split([str(tmp_path / "a.jsonl"), str(tmp_path / "b.txt")], str(tmp_path), 1)
    out = str(tmp_path / "out")
    [path] = split(str(tmp_path / "a.jsonl"), out, 1)
    with pytest.raises(JobError, match="is there already"):
        split(str(tmp_path / "a.jsonl"), out, 1)
    Path(path).write_text("old")
    assert split(str(tmp_path / "a.jsonl"), out, 1, force=True) == [path]
    assert Path(path).read_text(encoding="utf-8") == lines(60)


def test_folders_that_cannot_be_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines(60), encoding="utf-8")
    with pytest.raises(JobError, match="the name of the folder is empty") as caught:
        split(str(path), "", 1)
    assert (caught.value.field, bool(caught.value.fix)) == ("directory", True)
    for folder in (path, path / "below"):
        with pytest.raises(JobError, match=r"a\.jsonl is not a folder") as caught:
            split(str(path), str(folder), 1)
        assert caught.value.field == "directory"
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(StorageError, match="the working directory is gone"):
        split(str(path), "parts", 1)


def test_a_full_disk_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines(60), encoding="utf-8")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=f"no space is left where {tmp_path}/out is written") as caught:
        split(str(path), str(tmp_path / "out"), 1)
    assert (caught.value.field, bool(caught.value.fix)) == ("directory", True)
    assert not (tmp_path / "out").exists()


def test_one_row_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines(1), encoding="utf-8")
    with pytest.raises(JobError, match="1 row cannot be cut into 2 files"):
        split(str(path), str(tmp_path / "out"), 2)
