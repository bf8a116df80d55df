"""Observing a node that answers, is silent, breaks, and comes back; over commands of this machine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from backend.clock import SteppedClock
from backend.events import Event, Level, NodeDetailed, NodeNotReached, NodeObserved
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.probes import probe_worker
from backend.probes.circumstances import Circumstances
from backend.probes.probe_worker import examine, observe, observe_once
from backend.problems import HostKeyError, NodeError, NodeUnreachableError

NODE = Node("n01", "n01", "n01", 8, "/w")
TABLE = "| npu-smi 24.1.0   Version: 24.1.0   |"


class Pipe:
    """A `Channel` to a command of this machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def readline(self) -> bytes:
        assert self.process.stdout is not None
        return await self.process.stdout.readline()

    async def readexactly(self, count: int) -> bytes:
        assert self.process.stdout is not None
        try:
            return await self.process.stdout.readexactly(count)
        except EOFError as error:
            raise NodeUnreachableError.because("the stream ended early") from error

    async def write(self, data: bytes) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()
        # what a killed command started may hold the pipes a little longer
        _close_pipes(self.process)


class Here:
    """A `Transport` to this machine; `fault` is raised by every call while it is set."""

    def __init__(self, folder: Path) -> None:
        self.environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        self.fault: NodeError | None = None
        self.resident = True
        self.opened: list[Pipe] = []
        self.asked: list[Sequence[str]] = []

    async def run(
        self, node: Node, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 15.0
    ) -> Completed:
        if self.fault:
            raise self.fault
        self.asked.append(argv)
        process = await self._start(argv)
        try:
            out, err = await process.communicate()
        finally:
            _close_pipes(process)
        assert process.returncode is not None
        return Completed(process.returncode, out, err)

    async def open(self, node: Node, argv: Sequence[str], *, timeout_s: float = 15.0) -> Pipe:
        if self.fault:
            raise self.fault
        pipe = Pipe(await self._start(argv if self.resident else ["false"]))
        self.opened.append(pipe)
        return pipe

    async def close(self) -> None:
        for pipe in self.opened:
            await pipe.close()
        await asyncio.sleep(0.01)

    async def _start(self, argv: Sequence[str]) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *argv, stdin=pipe, stdout=pipe, stderr=pipe, env=self.environment, start_new_session=True
        )


def _close_pipes(process: asyncio.subprocess.Process) -> None:
    process._transport.close()  # type: ignore[attr-defined]


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Here]:
    monkeypatch.setattr(probe_worker, "BACK_OFF_CAP_S", 0.05)
    tool(tmp_path, f"echo '{TABLE}'")
    here = Here(tmp_path)
    yield here
    await here.close()


def tool(folder: Path, script: str) -> None:
    new = folder / "npu-smi.new"
    new.write_text(f"#!/bin/sh\n{script}\n")
    new.chmod(0o755)
    new.replace(folder / "npu-smi")


class Watched:
    """`observe` in a task, its events in a list."""

    def __init__(self, here: Here, **options: float) -> None:
        self.events: list[Event] = []
        settings = {"interval_s": 0.05, "deadline_s": 2.0} | options
        self.task = asyncio.create_task(observe(here, NODE, emit=self.events.append, **settings))

    async def until(self, kind: type, count: int = 1) -> list[Event]:
        """The events of `kind` that come from now on, as soon as there are `count`."""
        seen = len(self.events)
        async with asyncio.timeout(20):
            while len(found := [event for event in self.events[seen:] if isinstance(event, kind)]) < count:
                assert not self.task.done()
                await asyncio.sleep(0.01)
        return found

    async def end(self) -> None:
        assert not self.task.done()
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


async def test_once(here: Here, tmp_path: Path) -> None:
    clock = SteppedClock(77.0)
    seen = await observe_once(here, NODE, clock=clock)
    assert isinstance(seen, NodeObserved)
    assert (seen.at, seen.tool_version) == (77.0, "24.1.0")
    assert 0 < seen.took_ms < 10_000
    tool(tmp_path, "echo broken; exit 9")
    failed = await observe_once(here, NODE, clock=clock)
    assert failed == NodeNotReached("n01", 77.0, "npu-smi failed with exit code 9: broken", answered=True)
    here.fault = HostKeyError.because("the host key has changed", "it offers X", "find out why")  # type: ignore[assignment]
    assert await observe_once(here, NODE, clock=clock) == NodeNotReached(
        "n01", 77.0, "the host key has changed: it offers X"
    )


async def test_resident_command_serves_many_frames(here: Here) -> None:
    watched = Watched(here)
    await watched.until(NodeObserved, 4)
    await watched.end()
    assert len(here.opened) == 1


async def test_failure_of_the_tool_is_shown_and_passes(here: Here, tmp_path: Path) -> None:
    watched = Watched(here)
    await watched.until(NodeObserved)
    tool(tmp_path, "exit 127")
    [failed] = (await watched.until(NodeNotReached))[:1]
    assert failed.reason == "npu-smi: not found"
    tool(tmp_path, f"echo '{TABLE}'")
    await watched.until(NodeObserved)
    await watched.end()


async def test_silence_is_reported_within_the_deadline(here: Here, tmp_path: Path) -> None:
    tool(tmp_path, "sleep 3")
    watched = Watched(here, deadline_s=0.2)
    began = asyncio.get_running_loop().time()
    [silent] = (await watched.until(NodeNotReached))[:1]
    assert silent.reason == "no answer within 0.2 s"
    assert asyncio.get_running_loop().time() - began < 5
    tool(tmp_path, f"echo '{TABLE}'")
    await watched.until(NodeObserved)
    await watched.end()


async def test_unreachable_and_back(here: Here) -> None:
    here.fault = NodeUnreachableError.because("n01:22 refuses the connection")  # type: ignore[assignment]
    watched = Watched(here)
    found = await watched.until(NodeNotReached, 3)
    assert found[0].reason == "n01:22 refuses the connection"
    here.fault = None
    await watched.until(NodeObserved)
    await watched.end()


async def test_killed_resident_command_is_replaced(here: Here) -> None:
    watched = Watched(here)
    await watched.until(NodeObserved)
    os.killpg(here.opened[0].process.pid, signal.SIGKILL)
    await watched.until(NodeObserved, 3)
    await watched.end()
    assert len(here.opened) == 2
    assert not [event for event in watched.events if isinstance(event, NodeNotReached)]


async def test_single_questions_where_nothing_may_stay(here: Here) -> None:
    here.resident = False
    watched = Watched(here)
    await watched.until(NodeObserved, 3)
    await watched.end()
    assert len(here.opened) >= 3


ONE_CARD = """\
cat <<END
| npu-smi 24.1.0   Version: 24.1.0   |
| NPU   Name    | Health  | Power(W)    Temp(C)           Hugepages-Usage(page) |
| Chip          | Bus-Id  | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)         |
+===============+=========+=====================================================+
| 0     910B3   | WORD    | 97.5        41                0    / 0              |
| 0             | NA      | 7           0    / 0          3316 / 65536          |
END"""
TALKING = f"""\
case "$*" in
info) {ONE_CARD}
;;
"info -m") echo "NPU ID Chip ID Chip Logic ID Chip Name"; echo "0 0 0 Ascend 910B3" ;;
*health*) echo "Health Status : WORD"; echo "Error Code : CODE"; echo "Error Information : odd" ;;
*ecc*) echo "HBM Double Bit Isolated Pages Count : 64" ;;
*) echo "This device does not support querying that." ;;
esac"""


def talking(folder: Path, word: str, code: str = "NA") -> None:
    tool(folder, TALKING.replace("WORD", word).replace("CODE", code))


async def test_a_card_that_is_not_well_is_asked_for_its_codes(here: Here, tmp_path: Path) -> None:
    talking(tmp_path, "Alarm", "80E3A203")
    node = Node("n01", "n01", "n01", 1, "/w")
    seen, detailed = await examine(here, node, clock=SteppedClock(77.0))
    assert isinstance(seen, NodeObserved)
    assert detailed is not None
    assert [(one.rule, one.level, one.code, one.since) for one in detailed.findings] == [
        ("fault_code", Level.ALARM, "80E3A203", 77.0),
    ]
    assert len(here.asked) == 2


async def test_a_card_that_is_well_is_asked_no_more_unless_deeply(here: Here, tmp_path: Path) -> None:
    talking(tmp_path, "OK")
    node = Node("n01", "n01", "n01", 1, "/w")
    _seen, detailed = await examine(here, node)
    assert detailed is not None
    assert detailed.findings == ()
    assert len(here.asked) == 1
    _seen, detailed = await examine(here, node, deep=True)
    assert detailed is not None
    assert [one.rule for one in detailed.findings] == ["hbm_rows_isolated"]
    assert detailed.host is not None
    assert detailed.host.cpus


async def test_deep_questions_that_nothing_answers_are_named(here: Here, tmp_path: Path) -> None:
    """A table that is well, and tools that say nothing more."""
    talking(tmp_path, "OK")
    node = Node("n01", "n01", "n01", 1, "/w")
    _seen, detailed = await examine(here, node, deep=True)
    assert detailed is not None
    assert detailed.not_answered["link"] == "hccn_tool: not found"
    assert "host" not in detailed.not_answered
    _seen, detailed = await examine(here, node)
    assert detailed is not None
    assert detailed.not_answered == {}


async def test_a_node_that_is_silent_is_not_judged(here: Here, tmp_path: Path) -> None:
    tool(tmp_path, "exit 127")
    seen, detailed = await examine(here, NODE)
    assert isinstance(seen, NodeNotReached)
    assert detailed is None


async def test_details_come_in_the_pauses(here: Here, tmp_path: Path) -> None:
    talking(tmp_path, "OK")
    told: list[NodeDetailed] = []
    events: list[Event] = []
    node = Node("n01", "n01", "n01", 1, "/w")
    watch = observe(
        here,
        node,
        0.2,
        events.append,
        detail=told.append,
        kinds={"ecc": 0},
        circumstances=lambda at: Circumstances("n01", at, 1),
    )
    task = asyncio.create_task(watch)
    async with asyncio.timeout(20):
        while not any(detailed.findings for detailed in told) or len(events) < 3:
            assert not task.done()
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [one.rule for one in told[-1].findings] == ["hbm_rows_isolated"]
    assert all(isinstance(event, NodeObserved) for event in events)
    # what the node slept is no time that it took
    assert all(event.took_ms < 5000 for event in events if isinstance(event, NodeObserved))
    assert len(here.opened) == 1
