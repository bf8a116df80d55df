"""The task "train" on one node: starts its ranks, stops them as asked, and ends all when one has failed."""

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
from typing import Any, Dict, List, Optional, Tuple

from backend.node.job_lines import JobError, print_problem
from backend.node.train.lifeline import LAUNCHER_PID
from backend.node.train.log_lines import say
from backend.node.train.stopping import LOST_PEER_STATUS, STOPPED_STATUS
from backend.node.train.train_job import TrainJob
from backend.node.train.train_job_reader import read_train_job
from backend.node.train.train_job_rules import check_world

GRACE_S = 5.0  # for the other ranks to end by themselves when one has failed
STOP_PATIENCE_S = 600.0  # for the ranks to finish their step and save
PATIENCE = "NPUDECK_STOP_PATIENCE_S"


def run(job_path: str, job_json: Dict[str, Any]) -> int:
    """Run this node's ranks to their end, and answer the status.

    0: trained to the end. STOPPED_STATUS: stopped after a checkpoint, as somebody asked one of the ranks of
    this or another node. That of the rank that failed first (128 + n for signal n), which a `rank_exit` line
    names. 128 + n for a signal n to this process when the ranks did not get to a checkpoint.

    The first SIGTERM or SIGINT is forwarded to the ranks, which may take PATIENCE seconds (environment;
    STOP_PATIENCE_S); the second ends them. Needs MASTER_ADDR, MASTER_PORT, NNODES and NODE_RANK in the
    environment. Raises JobError before any start.
    """
    job = read_train_job(job_json)
    node_rank = _node_rank(job)
    ranks = _LocalRanks(job, node_rank, rank_command(os.path.abspath(job_path)), _patience_s())
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

    def __init__(self, job: TrainJob, node_rank: int, command: List[str], patience_s: float) -> None:
        self._job = job
        self._first_rank = node_rank * job.npus_per_node
        self._command = command
        self._patience_s = patience_s
        self._running: Dict[int, _Rank] = {}
        self._failures: List[_Failure] = []
        self._asked: Optional[int] = None
        self._stopped = False
        self._cut_short = False
        self._killing = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGALRM, self._time_is_over)
        for local_rank in range(self._job.npus_per_node):
            if self._asked is None:
                self._start(local_rank)
        if self._asked is not None:
            # Nothing is trained yet, and the rank started last may not have heard.
            self._signal_all(signal.SIGTERM)
            self._end_within(GRACE_S)
        while self._running:
            self._reap()
        signal.setitimer(signal.ITIMER_REAL, 0)
        return self._status()

    def _start(self, local_rank: int) -> None:
        rank = self._first_rank + local_rank
        environment = dict(
            os.environ,
            RANK=str(rank),
            LOCAL_RANK=str(local_rank),
            WORLD_SIZE=str(self._job.world_size),
            OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS") or str(_threads(self._job)),
            # A torch_npu that cannot load must not take `import torch` down with it.
            TORCH_DEVICE_BACKEND_AUTOLOAD="0",
        )
        environment[LAUNCHER_PID] = str(os.getpid())
        # A signal to the whole group (a job's end, a terminal's Ctrl-C) would reach a rank here and once more
        # when it is forwarded, and the second one means "at once".
        process = subprocess.Popen(
            self._command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._running[process.pid] = _Rank(local_rank, rank, process)

    def _reap(self) -> None:
        """Wait for one rank to end, and take all that have."""
        pid, status = os.wait()
        while pid:
            rank = self._running.pop(pid, None)
            if rank is not None:
                rank.process.returncode = os.waitstatus_to_exitcode(status)
                self._take(rank, rank.process.returncode)
            if not self._running:
                break
            pid, status = os.waitpid(-1, os.WNOHANG)

    def _take(self, rank: _Rank, code: int) -> None:
        if code == 0:
            return
        if code == STOPPED_STATUS:
            self._stopped = True
            return
        self._cut_short = True
        stopped_by_us = code == -signal.SIGTERM and self._asked is not None
        if not self._killing and not stopped_by_us:
            self._failures.append(_Failure(rank.rank, rank.local_rank, code, time.time()))
        # The others cannot go on without it. Most notice; a collective of an accelerator may wait for ever.
        self._end_within(GRACE_S)

    def _status(self) -> int:
        if self._failures:
            first = min(self._failures, key=_Failure.blame)
            say(first.line())
            if first.code == LOST_PEER_STATUS:
                _say_lost_peer(first.rank)
            return first.exit_code
        if self._stopped:
            return STOPPED_STATUS
        if self._cut_short and self._asked is not None:
            return 128 + self._asked
        return 0

    def _asked_to_stop(self, number: int, _frame: Optional[FrameType]) -> None:
        self._signal_all(signal.SIGTERM)
        self._end_within(self._patience_s if self._asked is None else GRACE_S)
        self._asked = self._asked or number

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in list(self._running):
            # Unreaped children keep their pid: the signal cannot reach a stranger.
            os.kill(pid, number)

    def _end_within(self, seconds: float) -> None:
        """Kill the ranks then, or earlier where that was said before."""
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        if not self._killing and not 0.0 < left < seconds:
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def _time_is_over(self, _number: int, _frame: Optional[FrameType]) -> None:
        self._killing = True
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

    def blame(self) -> Tuple[bool, bool, float]:
        """Sorts the likeliest cause first. When a rank is killed its peers fail a moment later, and torch's
        threads may abort them."""
        is_killed = self.code < 0 and self.code != -signal.SIGABRT
        return self.code == LOST_PEER_STATUS, not is_killed, self.at

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


def _threads(job: TrainJob) -> int:
    """Threads of a rank on a CPU: this node's processors shared among its ranks.

    One where there are several nodes: in a rehearsal they are often the same machine.
    """
    if job.world_size > job.npus_per_node:
        return 1
    return max(1, len(os.sched_getaffinity(0)) // job.npus_per_node)


def _say_lost_peer(rank: int) -> None:
    print_problem(
        "",
        _("rank {rank} lost the connection to another rank").format(rank=rank),
        _("no rank of this node ended first"),
        _("look for the rank that did"),
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


def _patience_s() -> float:
    """Raises JobError."""
    value = os.environ.get(PATIENCE, "")
    if not value:
        return STOP_PATIENCE_S
    if not value.isdecimal() or int(value) == 0:
        raise JobError(PATIENCE, _("{value!r} is not a whole number of seconds").format(value=value))
    return float(value)
