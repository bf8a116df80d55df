"""probe.sh with a stand-in for npu-smi: frames, failures, and an end without orphans."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from backend.probes.probe_plan import parse_frame, parse_frames

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
    assert done.stdout.count(b"npudeck-probe v=1 ") == 3
    assert len(done.stdout) == 3 * (len(done.stdout) // 3)


def test_an_older_timeout_without_the_second_limit(tmp_path: Path, environment: dict[str, str]) -> None:
    """BusyBox before 1.33 has no -k; its answer to it must not be taken for npu-smi's."""
    install(tmp_path, "echo table; exit 3")
    older = tmp_path / "timeout"
    refusal = (
        "timeout: invalid option -- 'k'\nBusyBox v1.30.1 () multi-call binary.\n\nUsage: timeout SECS PROG"
    )
    (tmp_path / "refusal").write_text(refusal)
    older.write_text(
        f'#!/bin/sh\nif [ "$1" = -k ]; then cat {tmp_path}/refusal >&2; exit 1; fi\nshift\nexec "$@"\n'
    )
    older.chmod(0o755)
    argv = ["sh", str(PROBE_SH), "0", "2", "host=1"]
    done = subprocess.run(argv, env=environment, capture_output=True, timeout=30, check=True)
    tables = [(header.exit_code, said) for header, said in parse_frames(done.stdout) if header.kind == "info"]
    assert tables == [(3, "table\n"), (3, "table\n")]
    assert b"BusyBox" not in done.stdout


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
