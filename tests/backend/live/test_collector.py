"""What the collector passes on: findings once, differences between nodes, and what a node's job expects."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from backend.clock import SteppedClock
from backend.events import (
    Event,
    Finding,
    HostDetails,
    Level,
    NodeDetailed,
    NodeNotReached,
    RunCreated,
    RunStateChanged,
    RunStatus,
)  # fmt: skip
from backend.fleet.drain_files import Drain, drain
from backend.inventory import Inventory, Node
from backend.live.collector_worker import HISTORY_S, Collector
from backend.live.drain_feed_worker import DrainFeed
from backend.state.fleet_state import FleetState
from backend.state.run_state import RunBook

FLEET = Inventory("lab", tuple(Node(n, n, n, 8, "/w") for n in ("n1", "n2")), "/shared", path="/i.toml")


class _NoTransport:
    async def close(self) -> None: ...


def _collector(runs: RunBook) -> tuple[Collector, asyncio.Queue[Event]]:
    queue: asyncio.Queue[Event] = asyncio.Queue()
    return Collector(FLEET, queue, runs, transport=_NoTransport(), clock=SteppedClock(0.0)), queue


def _all(queue: asyncio.Queue[Event]) -> list[Event]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def _detailed(node: str, at: float, cann: str, *findings: Finding) -> NodeDetailed:
    return NodeDetailed(node, at, (), HostDetails(versions={"cann": cann}), findings)


async def test_what_says_nothing_new_is_passed_on_now_and_then() -> None:
    collector, queue = _collector(RunBook())
    for at in (0.0, 2.0, 4.0, 12.0):
        collector._take_details(_detailed("n1", at, "8.0"))
    hot = Finding("heat", Level.WARNING, "n1", 0, 0, "91 °C")
    collector._take_details(_detailed("n1", 14.0, "8.0", hot))
    assert [event.at for event in _all(queue)] == [0.0, 12.0, 14.0]


async def test_what_differs_between_nodes_is_a_finding_of_the_fleet_and_keeps_its_time() -> None:
    collector, queue = _collector(RunBook())
    state = FleetState.of(FLEET)
    collector._take_details(_detailed("n2", 0.0, "8.1"))
    collector._take_details(_detailed("n1", 1.0, "8.0"))
    collector._take_details(_detailed("n1", 11.0, "8.0"))
    state.apply(_all(queue))
    (differs,) = state.findings
    assert (differs.rule, differs.node, differs.since) == ("cann_differs", "", 11.0)
    collector._take_details(_detailed("n1", 30.0, "8.0"))
    assert [event.node for event in _all(queue)] == ["n1"]
    collector._emit(NodeNotReached("n2", 31.0, "cut"))
    collector._take_details(_detailed("n1", 45.0, "8.0"))
    state.apply(_all(queue))
    assert state.findings == ()


async def test_outages_count_from_the_start_of_the_job_or_for_a_day() -> None:
    runs = RunBook()
    collector, _queue = _collector(runs)
    n1, n2 = FLEET.nodes
    created = RunCreated(
        "r1", 500.0, "u", "m", "pretrain", "native", ("n1",), 8, 9, 8, 8, "lab", "/i.toml", "", "me"
    )
    runs.apply([created, replace(created, run_id="r2", at=600.0, inventory_path="/other.toml")])
    asked = collector._circumstances(n1, 900.0)
    assert (asked.since, asked.expected_npus) == (500.0, 8)
    assert collector._circumstances(n2, 900.0).since == 900.0 - HISTORY_S
    runs.apply([RunStateChanged("r1", 901.0, RunStatus.FINISHED)])
    assert collector._circumstances(n1, 902.0).since == 902.0 - HISTORY_S


async def test_drained_nodes_are_known_as_they_are_drained(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "npudeck"
    folder.mkdir(mode=0o700)
    state = FleetState.of(FLEET)
    feed = DrainFeed(FLEET, state, interval_s=0.01)
    await feed.start()
    assert state.counts().drained == 0
    drain(FLEET, folder, ["n2"], Drain("ann@gate", 5.0, "fan"))
    while not state.drained:
        await asyncio.sleep(0.01)
    assert state.drained == {"n2": "fan"}
    (folder / "drained.json").write_text("broken")
    await feed.look()
    assert state.drained == {"n2": "fan"}
    (folder / "drained.json").unlink()
    while state.drained:
        await asyncio.sleep(0.01)
    await feed.close()
