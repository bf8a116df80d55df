"""Nobody is called foreign before it is known who is at home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.events import DeviceReading, NodeObserved, ProcessReading
from backend.inventory import Node
from backend.live.own_processes import OwnProcesses, own_argv, parse_own

KEY = "r1-abc123"
DEVICE = DeviceReading(0, 0, 0, "910B3", "OK", 90.0, 45, 0, 0, None, 0, 0, 0, 2900, 65536)


def _seen(at: float, *pids: int) -> NodeObserved:
    return NodeObserved(
        "n1", at, "23", (DEVICE,), tuple(ProcessReading(0, 0, pid, "python3", 1) for pid in pids), 1.0
    )


def test_without_a_run_nothing_is_leased_and_nothing_asked() -> None:
    state = OwnProcesses()
    state.see(_seen(1.0, 7))
    assert not state.must_ask("", 9.0)
    assert state.leased("") == {}


def test_a_stranger_is_one_only_when_it_was_there_before_the_question() -> None:
    state = OwnProcesses()
    state.see(_seen(1.0, 7))
    assert state.must_ask(KEY, 2.0)
    state.take(KEY, frozenset({7, 8}), 2.0)
    assert state.leased(KEY) == {0: frozenset({7, 8})}
    state.see(_seen(4.0, 7, 8, 9))
    assert state.leased(KEY) == {}  # 9 may be the run's newest
    assert not state.must_ask(KEY, 5.0)
    assert state.must_ask(KEY, 7.0)
    state.take(KEY, frozenset({7, 8}), 7.0)
    assert state.leased(KEY) == {0: frozenset({7, 8})}
    assert not state.must_ask(KEY, 60.0)
    assert state.must_ask(KEY, 67.0)


def test_where_npu_smi_counts_otherwise_than_proc_nobody_is_accused() -> None:
    state = OwnProcesses()
    state.see(_seen(1.0, 4007))
    state.take(KEY, frozenset({7}), 2.0)
    assert state.leased(KEY) == {}


def test_another_run_is_another_question() -> None:
    state = OwnProcesses()
    state.see(_seen(1.0, 7))
    state.take(KEY, frozenset({7}), 2.0)
    assert state.leased("r2-x") == {}
    assert state.must_ask("r2-x", 3.0)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the marks are read from /proc")
@pytest.mark.parametrize("holder", [KEY, "r9-other", None])
def test_the_node_names_the_processes_of_the_run_that_holds_it(tmp_path: Path, holder: str | None) -> None:
    leases = tmp_path / ".npudeck" / "leases"
    leases.mkdir(parents=True)
    if holder is not None:
        (leases / "all").write_text(f"{holder}\nme\n")
    node = Node("n1", "n1", "n1", 1, str(tmp_path))
    environment = os.environ | {"NPUDECK_JOB": f"{KEY}.train"}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE) as job:
        done = subprocess.run(own_argv(node, KEY), capture_output=True, text=True, check=True)
        assert job.stdin is not None
        job.stdin.close()
    assert parse_own("Welcome\n" + done.stdout) == (frozenset({job.pid}) if holder == KEY else frozenset())
