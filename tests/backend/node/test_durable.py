from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from backend.node import durable


def test_replaces_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    durable.write_whole(str(path), "one")
    durable.write_whole(str(path), "two – zwei")
    assert path.read_text(encoding="utf-8") == "two – zwei"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with durable.open_temporary(str(path)) as stream:
            stream.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def aged(path: Path, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(path, (when, when))


def test_leftovers_of_dead_processes_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_alive", lambda pid: pid == 7)
    for name in ("x.tmp-5", "x.tmp-6", "x.tmp-7", "x.tmp-new", "xy.tmp-5"):
        (tmp_path / name).write_text("")
        aged(tmp_path / name, 3600)
    folder = tmp_path / "x.tmp-8"
    folder.mkdir()
    (folder / "shard").write_text("")
    aged(folder / "shard", 3600)
    aged(folder, 3600)
    aged(tmp_path / "x.tmp-6", 5)
    durable.remove_leftovers(str(tmp_path / "x"))
    assert sorted(os.listdir(tmp_path)) == ["x.tmp-6", "x.tmp-7", "x.tmp-new", "xy.tmp-5"]


def test_no_folder_no_leftovers(tmp_path: Path) -> None:
    durable.remove_leftovers(str(tmp_path / "missing" / "x"))


def test_this_process_is_alive() -> None:
    assert durable._alive(os.getpid())
