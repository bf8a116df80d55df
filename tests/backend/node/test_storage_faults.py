"""Errors of disks in words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from backend.node.job_lines import StorageError
from backend.node.storage_faults import storage_error, storage_faults


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_about_what_is_written(number: int) -> None:
    error = storage_error(OSError(number, os.strerror(number), "/t/file"), "output_prefix", "/out/a")
    assert (error.field, error.what) == ("output_prefix", "no space is left where /out/a is written")
    assert error.why == os.strerror(number)
    alone = storage_error(OSError(number, os.strerror(number), "/t/file"))
    assert (alone.field, alone.what) == ("", "no space is left where /t/file is written")


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.EACCES, "see to its permissions, or choose another place"),
        (errno.EROFS, "see to its permissions, or choose another place"),
        (errno.EIO, "see whether it is there, and can be read and written"),
    ],
)
def test_the_file_is_named_else_the_place(number: int, fix: str) -> None:
    named = storage_error(OSError(number, "No", "/in/file"), "output_prefix", "/out/a")
    assert (named.field, named.what, named.fix) == ("", "/in/file cannot be read or written", fix)
    nameless = storage_error(OSError(number, "No"), "output_prefix", "/out/a")
    assert (nameless.field, nameless.what) == ("output_prefix", "/out/a cannot be read or written")


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert storage_error(FileNotFoundError(errno.ENOENT, "No")).what == "the working directory is gone"


def test_a_block_raises_it() -> None:
    with pytest.raises(StorageError, match="/out cannot be read"), storage_faults("directory", "/out"):
        raise OSError(errno.EIO, "No")
    with pytest.raises(BrokenPipeError), storage_faults("directory", "/out"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
