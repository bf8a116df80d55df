from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from backend.runs.log_mirror_files import LogMirror


def test_the_mirror_is_its_own_cursor(tmp_path: Path) -> None:
    mirror = LogMirror(tmp_path / "log")
    assert mirror.cursor() is None
    mirror.begin_generation(77)
    mirror.append(0, b"hello ")
    mirror.append(6, b"world\n")
    again = LogMirror(tmp_path / "log")
    assert again.cursor() == {"ino": 77, "off": 12, "fpn": 12, "fp": zlib.crc32(b"hello world\n")}
    assert again.read(3, 100) == b"lo world\n"


def test_bytes_that_do_not_continue_are_refused(tmp_path: Path) -> None:
    mirror = LogMirror(tmp_path / "log")
    with pytest.raises(ValueError, match="do not continue"):
        mirror.append(0, b"before any generation")
    mirror.begin_generation(1)
    mirror.append(0, b"abc")
    for offset in (0, 2, 4):
        with pytest.raises(ValueError, match="do not continue"):
            mirror.append(offset, b"x")
    assert mirror.size == 3


def test_offsets_run_over_generations(tmp_path: Path) -> None:
    mirror = LogMirror(tmp_path / "log")
    mirror.begin_generation(1)
    mirror.append(0, b"first\n")
    mirror.begin_generation(2)
    mirror.append(0, b"second\n")
    for view in (mirror, LogMirror(tmp_path / "log")):
        assert view.size == 13
        assert view.read(0, 100) == b"first\n"
        assert view.read(6, 3) == b"sec"
        assert view.read(13, 100) == b""


def test_a_half_written_state_file_starts_anew(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "gen.json").write_text('{"n": 1')
    assert LogMirror(tmp_path / "log").cursor() is None
