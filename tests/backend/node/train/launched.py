"""A running launcher as a test sees it: its ranks, and the lines that it has printed so far."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from native_cases import start_launcher

DEADLINE_S = 180.0  # the machine may be busy


class Launched:
    """A launcher, its ranks by global rank, and the lines it has printed so far."""

    def __init__(self, job_file: Path, **environment: object) -> None:
        self.process = start_launcher(job_file, **environment)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def ranks(self) -> dict[int, psutil.Process]:
        """Those that are running."""
        found = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    with_rank = child.environ().get("RANK")
                    if with_rank is not None:
                        found[int(with_rank)] = child
        return found

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "".join(self.lines)
            if self.process.poll() is not None:
                self._reader.join(timeout=DEADLINE_S)
                assert condition(), "".join(self.lines)
            time.sleep(0.02)

    def wait_for_iteration(self) -> None:
        self.wait_for(lambda: any(line.startswith(" [") for line in self.lines))

    def end(self) -> int:
        status = self.process.wait(timeout=DEADLINE_S)
        self._reader.join(timeout=DEADLINE_S)
        return status

    def kill(self) -> None:
        """End it where the test has not; its ranks go with it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def json_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def rank_exits(self) -> list[dict[str, Any]]:
        return [line["rank_exit"] for line in self.json_lines() if "rank_exit" in line]

    def problems(self) -> list[dict[str, Any]]:
        return [line for line in self.json_lines() if "what" in line]

    def losses(self) -> list[tuple[str, ...]]:
        """Iteration, samples, rate, loss and norm of each iteration line; not the clock."""
        lines = [line.split("|") for line in self.lines if line.startswith(" [")]
        return [(parts[0].split("]")[1], parts[1], parts[3], parts[5], parts[7]) for parts in lines]


def gone(processes: dict[int, psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes.values()
    )


def wait_until_gone(processes: dict[int, psutil.Process], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not gone(processes):
        assert time.monotonic() < deadline
        time.sleep(0.02)
