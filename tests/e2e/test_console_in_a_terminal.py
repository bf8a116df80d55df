"""The console as an operator has it: in a real terminal, launched from, killed, and opened again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from living_fleet import Fleet

pytestmark = [
    pytest.mark.torch,
    pytest.mark.tmux,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]
_START = "import sys; from tui.command import open_console; import argparse; "
_START += "sys.exit(open_console(argparse.Namespace(inventory=sys.argv[1], recipe=sys.argv[2])))"


class Terminal:
    """One tmux server of its own with one window of 80x24."""

    def __init__(self, socket: Path, fleet: Fleet, recipe: str) -> None:
        self._tmux = ["tmux", "-S", str(socket)]
        self._environment = {**fleet.environment, "TERM": "xterm-256color"}
        argv = [sys.executable, "-P", "-c", _START, str(fleet.directory / "npudeck.toml"), recipe]
        self._run("new-session", "-d", "-x", "80", "-y", "24", *argv)

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], capture_output=True, text=True, check=False, env=self._environment, cwd="/"
        )
        return done.stdout

    def keys(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def text(self) -> str:
        return self._run("capture-pane", "-p")

    def until(self, condition: Callable[[str], bool], limit_s: float = 60.0) -> str:
        end = time.monotonic() + limit_s
        while not condition(text := self.text()):
            assert time.monotonic() < end, text
            time.sleep(0.2)
        return text

    def kill(self) -> None:
        """kill -9 of the console itself, and of its terminal."""
        pid = self._run("display-message", "-p", "#{pane_pid}").strip()
        if pid:
            subprocess.run(["kill", "-9", pid], check=False)
        self._run("kill-server")


@pytest.fixture
def terminals(tmp_path: Path, fleet: Fleet) -> Iterator[Callable[[str], Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(recipe: str) -> Terminal:
        opened.append(Terminal(tmp_path / f"tmux-{len(opened)}", fleet, recipe))
        return opened[-1]

    yield open_terminal
    for terminal in opened:
        terminal.kill()


def test_launch_from_the_screen_kill_it_and_come_back(
    fleet: Fleet, terminals: Callable[[str], Terminal]
) -> None:
    recipe = fleet.recipe("terminal", 120)
    first = terminals(recipe)
    first.until(lambda text: "Fleet · health" in text and "demo-2" in text)
    first.until(lambda text: "● 4" in text)
    first.keys("L")
    first.until(lambda text: "Type the number of nodes" in text)
    first.keys("2", "Enter")
    screen = first.until(lambda text: "train ● " in text and "/120" in text, 90)
    run_id = next(word for word in screen.split() if word.startswith("r") and word[1:].isdigit())
    first.kill()

    second = terminals(recipe)
    second.until(lambda text: "Fleet · health" in text)
    second.keys("2")
    second.until(lambda text: run_id in text)
    second.keys("Enter")
    second.until(lambda text: "loss" in text and "log · train" in text)
    run = fleet.until(run_id, lambda run: run["state"] == "finished", 120)
    fleet.exactly_once(run, 120)
    second.until(lambda text: "✔ finished" in text)
    second.keys("q")
