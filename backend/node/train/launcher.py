"""The task "train" on one node: starts its ranks, and ends them all as soon as one has failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from gettext import gettext as _
from types import FrameType
from typing import Any, Dict, List, Optional

from backend.node.job_lines import JobError
from backend.node.train.lifeline import LAUNCHER_PID
from backend.node.train.log_lines import say
from backend.node.train.train_job import TrainJob
from backend.node.train.train_job_reader import read_train_job
from backend.node.train.train_job_rules import check_world

GRACE_S = 5.0  # between asking the ranks to end and killing them


def run(job_path: str, job_json: Dict[str, Any]) -> int:
    """Run this node's ranks to their end: 0, or the status of the first that failed (128 + n for signal n).

    Needs MASTER_ADDR, MASTER_PORT, NNODES and NODE_RANK in the environment. Raises JobError before any start.
    """
    job = read_train_job(job_json)
    node_rank = _node_rank(job)
    ranks = _LocalRanks(job, node_rank, rank_command(os.path.abspath(job_path)))
    return ranks.run()


def rank_command(job_path: str) -> List[str]:
    """The argv that re-enters this same code as one rank: the zip it came in, or the package beside it."""
    place = os.path.abspath(__file__)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    entry = ["-m", "backend.node.main"] if place.endswith(".py") else [place]
    return [sys.executable, "-u", *entry, "train-rank", job_path]


@dataclass
class _Rank:
    local_rank: int
    rank: int
    process: subprocess.Popen[bytes]


class _LocalRanks:
    """The running ranks by pid. One thread: the launcher sleeps in wait() and the kernel wakes it."""

    def __init__(self, job: TrainJob, node_rank: int, command: List[str]) -> None:
        self._job = job
        self._first_rank = node_rank * job.npus_per_node
        self._command = command
        self._running: Dict[int, _Rank] = {}
        self._status: Optional[int] = None

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGALRM, self._grace_is_over)
        for local_rank in range(self._job.npus_per_node):
            if self._status is None:
                self._start(local_rank)
        if self._status is not None:
            self._end_all()
        while self._running:
            failed = self._reap()
            if failed and self._status is None:
                self._status = failed[0].exit_code
                say(failed[0].line())
                self._end_all()
        signal.setitimer(signal.ITIMER_REAL, 0)
        return self._status or 0

    def _start(self, local_rank: int) -> None:
        rank = self._first_rank + local_rank
        environment = dict(
            os.environ,
            RANK=str(rank),
            LOCAL_RANK=str(local_rank),
            WORLD_SIZE=str(self._job.world_size),
            OMP_NUM_THREADS="1",
            # A torch_npu that cannot load must not take `import torch` down with it.
            TORCH_DEVICE_BACKEND_AUTOLOAD="0",
        )
        environment[LAUNCHER_PID] = str(os.getpid())
        process = subprocess.Popen(self._command, env=environment, stdin=subprocess.DEVNULL)
        self._running[process.pid] = _Rank(local_rank, rank, process)

    def _reap(self) -> List[_Failure]:
        """Wait for one rank to end and take all that have; those that failed, the likeliest cause first.

        When one is killed its peers fail a moment later with broken connections: a signal goes first.
        """
        failures: List[_Failure] = []
        pid, status = os.wait()
        while pid:
            rank = self._running.pop(pid, None)
            code = os.waitstatus_to_exitcode(status)
            if rank is not None:
                rank.process.returncode = code
                if code != 0:
                    failures.append(_Failure(rank.rank, rank.local_rank, code, time.time()))
            if not self._running:
                break
            pid, status = os.waitpid(-1, os.WNOHANG)
        return sorted(failures, key=lambda failure: failure.code > 0)

    def _end_all(self) -> None:
        self._signal_all(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in list(self._running):
            # Unreaped children keep their pid: the signal cannot reach a stranger.
            os.kill(pid, number)

    def _asked_to_stop(self, number: int, _frame: Optional[FrameType]) -> None:
        """Stopped from outside: the ranks end as well, and none of them is to blame."""
        if self._status is None:
            self._status = 128 + number
            self._end_all()

    def _grace_is_over(self, _number: int, _frame: Optional[FrameType]) -> None:
        self._signal_all(signal.SIGKILL)


@dataclass(frozen=True)
class _Failure:
    """How a rank ended: `code` is its exit status, or minus the signal that killed it."""

    rank: int
    local_rank: int
    code: int
    at: float

    @property
    def exit_code(self) -> int:
        return self.code if self.code > 0 else 128 - self.code

    def line(self) -> str:
        killed_by = signal.Signals(-self.code).name if self.code < 0 else ""
        return json.dumps(
            {
                "rank_exit": {
                    "rank": self.rank,
                    "local_rank": self.local_rank,
                    "exit_code": self.exit_code,
                    "signal": killed_by,
                    "at": round(self.at, 3),
                }
            }
        )


def _node_rank(job: TrainJob) -> int:
    """This node's number, after checking what the environment says. Raises JobError."""
    for name in ("MASTER_ADDR", "MASTER_PORT", "NNODES", "NODE_RANK"):
        value = os.environ.get(name, "")
        if not value or (name != "MASTER_ADDR" and not value.isdecimal()):
            raise JobError(
                name,
                _("{name} is {value!r} in the environment").format(name=name, value=value),
                _("the ranks find one another by it"),
                _("start the training with npudeck, which sets it"),
            )
    num_nodes, node_rank = int(os.environ["NNODES"]), int(os.environ["NODE_RANK"])
    check_world(job, num_nodes)
    if node_rank >= num_nodes:
        raise JobError(
            "NODE_RANK", _("node {rank} of {count} cannot be").format(rank=node_rank, count=num_nodes)
        )
    return node_rank
