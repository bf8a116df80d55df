"""What end-to-end tests share: a demo fleet for all, machines that are ready for a run, commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from living_fleet import ROOT, Fleet
from machines import Machines
from ready_machines import Check, check_of, ready_machines

from backend.cli.main import main


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    for name in ("torch", "tokenizers", "safetensors"):
        pytest.importorskip(name)
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc")
    base = tmp_path_factory.mktemp("fleet")
    state = base / "state"
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "PYTHONPATH": str(ROOT)}
    log = (base / "fleet.log").open("wb")
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "backend.cli",
            "demo",
            "fleet",
            "--nodes",
            "2",
            "--dir",
            str(base / "demo"),
        ],
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment,
        cwd="/",
    )
    assert process.stdout is not None
    assert process.stdout.readline(), (base / "fleet.log").read_text()
    fleet = Fleet((base / "demo").resolve(), state, environment)
    yield fleet
    for pid in fleet.supervisors():
        os.kill(pid, signal.SIGKILL)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    process.stdout.close()
    log.close()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Of each module its own: its tests break them and put them right."""
    with ready_machines(tmp_path_factory.mktemp("machines")) as machines:
        yield machines


@pytest.fixture
def check(
    machines: Machines, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Check:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return check_of(machines, capsys)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any]]:
    """Run a command with --json: its exit code and what it printed."""

    def run(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        place = words.index("--") if "--" in words else len(words)
        code = main([*words[:place], "--json", *words[place:]])
        return code, json.loads(capsys.readouterr().out)

    return run
