"""A home that nobody may write: what only reads goes on, what must remember says why it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
INVENTORY = """
[fleet]
work_directory = "/w"
shared_directory = "/w"
[ssh]
config = "none"
connect_timeout_s = 2
[[nodes]]
name = "n1"
host = "127.0.0.1"
port = 1
"""


def started(tmp_path: Path, words: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "npudeck.toml").write_text(INVENTORY)
    # not even root makes a folder there
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": "/proc/nowhere"}
    argv = [sys.executable, "-P", "-m", "backend.cli", *words.split()]
    return subprocess.run(
        argv, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [("health", 4), ("fleet list", 0), ("fleet show n1", 4), ("fleet run n1 -- true", 4), ("check", 4)],
)
def test_what_only_reads_goes_on(tmp_path: Path, words: str, code: int) -> None:
    done = started(tmp_path, words)
    assert done.returncode == code, done.stderr
    assert "state directory" not in done.stderr
    assert "n1" in done.stdout


def test_what_must_remember_says_why_it_cannot(tmp_path: Path) -> None:
    done = started(tmp_path, "fleet drain n1")
    assert done.returncode == 5
    assert "cannot make the state directory /proc/nowhere/npudeck" in done.stderr
