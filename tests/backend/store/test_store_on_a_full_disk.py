"""A disk without room: said as that, and nothing left on it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.problems import LocalError
from backend.store.run_store import Position, RunStore


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 128 KB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "small", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("may not mount here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 1024)
        except OSError:
            return


def test_a_new_store_on_a_full_disk(small: Path) -> None:
    fill(small)
    with pytest.raises(LocalError) as caught:
        RunStore(small / "npudeck.db")
    (problem,) = caught.value.problems
    assert problem.fix.startswith("free space there")
    assert [path.name for path in small.iterdir()] == ["fill"]


def test_a_store_that_was_there_is_still_read(small: Path) -> None:
    RunStore(small / "npudeck.db").close()
    before = (small / "npudeck.db").read_bytes()
    fill(small)
    store = RunStore(small / "npudeck.db")
    assert store.read_since(Position())[0] == ()
    store.close()
    assert (small / "npudeck.db").read_bytes() == before


def test_an_empty_file_of_somebody_stays(small: Path) -> None:
    (small / "npudeck.db").touch()
    fill(small)
    with pytest.raises(LocalError, match="full"):
        RunStore(small / "npudeck.db")
    assert (small / "npudeck.db").exists()
