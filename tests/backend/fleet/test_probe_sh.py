"""probe.sh with a stand-in for npu-smi: frames, failures, and an end without orphans."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from backend.probes.probe_plan import parse_frame

PROBE_SH = Path(__file__).resolve().parents[3] / "backend" / "node" / "agents" / "probe.sh"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def install(folder: Path, script: str) -> None:
    tool = folder / "npu-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def test_counts_frames(tmp_path: Path, environment: dict[str, str]) -> None:
    install(tmp_path, 'echo "温度 $*"; echo "to stderr" >&2; echo; exit 3')
    argv = ["sh", str(PROBE_SH), "0", "3"]
    done = subprocess.run(argv, env=environment, capture_output=True, timeout=30, check=True)
    frame = parse_frame(done.stdout)
    assert frame is not None
    header, said = frame
    assert (header.exit_code, said) == (3, "温度 info\nto stderr\n")
    assert abs(header.at - time.time()) < 60
    assert done.stdout.count(b"npudeck-probe v=1 ") == 3
    assert len(done.stdout) == 3 * (len(done.stdout) // 3)


def test_missing_tool(tmp_path: Path) -> None:
    done = subprocess.run(["sh", str(PROBE_SH), "0", "1"], capture_output=True, timeout=30, check=True)
    frame = parse_frame(done.stdout)
    assert frame is not None
    assert frame[0].exit_code == 127


def test_ends_with_its_stdin_and_leaves_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    install(tmp_path, "echo table")
    probe = subprocess.Popen(
        ["sh", str(PROBE_SH), "77.5", "0"],
        env={**environment, "PROBE_TEST": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert probe.stdout is not None
    assert probe.stdin is not None
    assert probe.stdout.readline().startswith(b"npudeck-probe")
    probe.stdin.close()
    assert probe.wait(timeout=20) == 0
    probe.stdout.close()
    mark = f"PROBE_TEST={tmp_path}".encode()
    deadline = time.monotonic() + 5.0
    # what it had started may be a moment longer in dying than itself
    while left := [path for path in Path("/proc").glob("[0-9]*/environ") if mark in _read(path)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
