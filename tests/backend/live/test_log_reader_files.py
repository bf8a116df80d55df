from __future__ import annotations

from pathlib import Path

import pytest

from backend.live.log_reader_files import log_sources, read_lines
from backend.runs.log_mirror_files import LogMirror
from backend.store.state_directory_files import run_directory


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogMirror:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    mirror = LogMirror(run_directory("r1") / "logs" / "train" / "n2")
    mirror.begin_generation(1)
    mirror.append(0, b"one\ntwo\nthree\nhal")
    return mirror


def test_only_whole_lines_and_the_next_reading_goes_on(mirror: LogMirror) -> None:
    first = read_lines("r1", "train/n2", 0, 1000)
    assert (first.lines, first.start, first.end) == (("one", "two", "three"), 0, 14)
    assert read_lines("r1", "train/n2", first.end, 1000).lines == ()
    mirror.append(17, b"f\nlast\n")
    assert read_lines("r1", "train/n2", first.end, 1000).lines == ("half", "last")


def test_from_the_end_begins_at_a_line(mirror: LogMirror) -> None:
    assert read_lines("r1", "train/n2", -11, 1000).lines == ("three",)
    assert read_lines("r1", "train/n2", -9, 1000).lines == ("three",)
    assert read_lines("r1", "train/n2", -8, 1000).lines == ()
    assert read_lines("r1", "train/n2", -1000, 1000).lines == ("one", "two", "three")


def test_a_line_longer_than_the_limit_comes_in_pieces(mirror: LogMirror) -> None:
    chunk = read_lines("r1", "train/n2", 8, 3)
    assert (chunk.lines, chunk.end) == (("thr",), 11)


def test_sources_and_what_is_not_there(mirror: LogMirror) -> None:
    (run_directory("r1") / "logs" / "data" / "n1").mkdir(parents=True)
    assert [source.name for source in log_sources("r1")] == ["train/n2", "data/n1"]
    assert read_lines("r1", "train/none", 0, 100).lines == ()
