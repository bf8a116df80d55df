"""The console is opened on a terminal alone: elsewhere it is refused at once, before anything is started."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_START = "import sys; from tui.command import main; main()"


def started(
    tmp_path: Path, words: list[str], terminals: str, term: str = "xterm-256color"
) -> subprocess.CompletedProcess[str]:
    """`terminals`: which of stdin ("0"), stdout ("1") and stderr ("2") are one; the others are a pipe or
    /dev/null."""
    leader, follower = pty.openpty()
    state = tmp_path / "state"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": term, "XDG_STATE_HOME": str(state)}
    environment.pop("TEXTUAL_DRIVER", None)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _START, *words],
            stdin=follower if "0" in terminals else subprocess.DEVNULL,
            stdout=follower if "1" in terminals else subprocess.PIPE,
            stderr=follower if "2" in terminals else subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=20,
            check=False,
        )
        if "2" in terminals:
            done.stderr = os.read(leader, 1 << 16).decode()
    finally:
        os.close(leader)
        os.close(follower)
    assert not state.exists(), "nothing is started or made for a console that cannot open"
    return done


@pytest.mark.parametrize(
    ("terminals", "named"),
    [("", "standard input"), ("02", "standard output"), ("12", "standard input"), ("01", "standard error")],
)
@pytest.mark.parametrize(
    ("words", "instead"),
    [([], "npudeck health"), (["demo"], "--headless"), (["demo", "--ill"], "--headless")],
)
def test_a_stream_that_is_no_terminal_is_named(
    tmp_path: Path, words: list[str], instead: str, terminals: str, named: str
) -> None:
    done = started(tmp_path, words, terminals)
    assert done.returncode == 2
    assert f"the console needs a terminal, and {named} is none" in done.stderr
    assert instead in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("words", [[], ["demo"]])
def test_a_terminal_that_takes_no_screen(tmp_path: Path, words: list[str]) -> None:
    done = started(tmp_path, words, "012", term="dumb")
    assert done.returncode == 2
    assert "TERM is dumb" in done.stderr
    assert "\x1b" not in done.stderr
