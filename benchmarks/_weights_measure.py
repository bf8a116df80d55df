"""Processes of the command line, measured: wall seconds and the most memory; and folders of weights."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from _figures import Figure, figure

_HERE = Path(__file__).resolve().parent
_MODEL = str(_HERE / "_weights_model.py")
ENVIRONMENT = dict(os.environ, PYTHONPATH=str(_HERE.parent))
# most memory: so many times the largest file of one rank, and so much for Python and its libraries
_SHARDS, _BASE_MB = 1.3, 300.0


@dataclass
class Run:
    """The best of several processes: wall seconds; the most memory that any of them took, in MB."""

    seconds: float = float("inf")
    memory_mb: float = 0.0


def measure(run: Run, argv: list[str]) -> None:
    """Run a process and put its time and memory into `run`."""
    started = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{argv} ended with {process.returncode}")
    run.seconds = min(run.seconds, seconds)
    run.memory_mb = max(run.memory_mb, usage.ru_maxrss * 1024 / 1e6)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "backend.cli", "weights", *words]


def make(folder: Path, kind: str, shape: str, layers: int) -> None:
    """In a process of its own: a process's memory is never less than its parent's was."""
    subprocess.run([sys.executable, _MODEL, kind, str(folder), shape, str(layers)], check=True)


def largest(tree: Path) -> int:
    """The size of the largest file of one rank."""
    return max(path.stat().st_size for path in tree.rglob("*.pt"))


def memory_figure(name: str, run: Run, tree: Path) -> Figure:
    """Against what a rank's file of `tree` allows."""
    most = round(_SHARDS * largest(tree) / 1e6 + _BASE_MB, 1)
    return figure(f"memory, {name}", run.memory_mb, "MB", goal=most)
