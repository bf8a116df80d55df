"""One demo fleet for all end-to-end tests: they use it one after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from living_fleet import ROOT, Fleet


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
