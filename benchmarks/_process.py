"""A process as a user waits for it, start-up included: how long it takes, and how much memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

# the product as it stands beside this folder, from wherever a benchmark is run
ENVIRONMENT = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parent.parent))


class Spent(NamedTuple):
    """Of one process and those that it waited for: wall and CPU seconds, the most memory in MB, and the last
    line on its stdout ("" where there was none)."""

    seconds: float
    cpu_seconds: float
    memory_mb: float
    last_line: str


@dataclass
class Run:
    """The best of several processes: wall seconds; the most memory that any of them took, in MB."""

    seconds: float = float("inf")
    memory_mb: float = 0.0


def spend(argv: list[str]) -> Spent:
    """Run a process to its end. Raises SystemExit when it fails: figures of it would be worth nothing."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(argv, stdout=out, env=ENVIRONMENT)
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        lines = out.read().decode().splitlines()
    if process.returncode:
        raise SystemExit(f"{argv} ended with {process.returncode}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    # Linux counts in KiB
    return Spent(seconds, cpu_seconds, usage.ru_maxrss * 1024 / 1e6, lines[-1] if lines else "")


def measure(run: Run, argv: list[str]) -> str:
    """Run a process and put its time and memory into `run`; answers what it printed last."""
    spent = spend(argv)
    run.seconds = min(run.seconds, spent.seconds)
    run.memory_mb = max(run.memory_mb, spent.memory_mb)
    return spent.last_line
