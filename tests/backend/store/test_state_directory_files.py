from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.problems import LocalError
from backend.store.state_directory_files import private_directory, state_directory


def test_the_state_directory_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    directory = state_directory()
    assert directory == tmp_path / "npudeck"
    assert directory.stat().st_mode & 0o077 == 0


def test_a_relative_xdg_state_home_is_ignored_as_the_standard_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_directory() == tmp_path / ".local" / "state" / "npudeck"


def test_a_file_in_the_way_is_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "npudeck").write_text("")
    with pytest.raises(LocalError, match="cannot make the state directory"):
        private_directory(tmp_path / "npudeck")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_a_clear_message(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(LocalError, match="state directory"):
        private_directory(locked / "npudeck")
