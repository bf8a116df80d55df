"""A file is replaced by a file; what is none stays what it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from backend.fleet.whole_files import write_whole
from backend.problems import InputError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "made" / "a.toml"
    assert write_whole(str(path), "one\n")
    assert write_whole(str(path), "two\n")
    assert not write_whole(str(path), "three\n", new=True)
    assert path.read_text() == "two\n"
    assert os.listdir(path.parent) == ["a.toml"]


@pytest.mark.parametrize("new", [True, False])
def test_a_pipe_or_a_device_is_never_replaced(tmp_path: Path, new: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(InputError, match="is not a regular file"):
            write_whole(str(path), "text", field="inventory", new=new)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


def test_a_link_stays_and_so_do_the_permissions(tmp_path: Path) -> None:
    real = tmp_path / "far" / "real.toml"
    real.parent.mkdir()
    real.write_text("one\n")
    real.chmod(0o640)
    link = tmp_path / "npudeck.toml"
    link.symlink_to(real)
    assert write_whole(str(link), "two\n")
    assert link.is_symlink()
    assert real.read_text() == "two\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert not write_whole(str(link), "three\n", new=True)
    assert real.read_text() == "two\n"
