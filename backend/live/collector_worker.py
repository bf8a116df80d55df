"""The in-process collector: one observer a node, into one queue."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from backend.clock import Clock, RealClock
from backend.events import Event, Finding, NodeDetailed, NodeNotReached, NodeObserved
from backend.fleet.connect_client import connect
from backend.fleet.transport import Transport
from backend.inventory import Inventory, Node
from backend.live.own_processes import OwnProcesses, follow_own
from backend.probes.circumstances import Circumstances
from backend.probes.judge_fleet import judge_fleet
from backend.probes.probe_worker import observe
from backend.state.finding import carry_since
from backend.state.run_state import RunBook, RunView

INTERVAL_S = 2.0
COMPARE_S = 10.0  # how often the nodes are compared with each other
REPEAT_S = 10.0  # details that say nothing new are passed on this seldom
# without a job that says from when it counts: outages of a link that are older than a day are history
HISTORY_S = 86_400.0


class Collector:
    """Observe every node of a fleet until closed. A node that is silent delays nobody."""

    def __init__(
        self,
        inventory: Inventory,
        queue: asyncio.Queue[Event],
        runs: RunBook,
        interval_s: float = INTERVAL_S,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._inventory = inventory
        self._queue = queue
        self._runs = runs
        self._interval_s = interval_s
        self._transport: Transport = transport or connect(inventory)
        self._clock = clock or RealClock()
        self._details: dict[str, NodeDetailed] = {}  # of the nodes that answer
        self._differences: tuple[Finding, ...] = ()
        self._compared_at = float("-inf")
        self._own = {node.name: OwnProcesses() for node in inventory.nodes}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        nodes = self._inventory.nodes
        self._tasks = [asyncio.create_task(self._observe(node)) for node in nodes]
        self._tasks += [asyncio.create_task(self._follow_own(node)) for node in nodes]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._transport.close()

    async def _observe(self, node: Node) -> None:
        await observe(
            self._transport,
            node,
            self._interval_s,
            self._emit,
            clock=self._clock,
            detail=self._take_details,
            circumstances=lambda at: self._circumstances(node, at),
        )

    def _circumstances(self, node: Node, at: float) -> Circumstances:
        """What is expected of the node, since when its job runs, and which processes are the job's."""
        run = self._run_on(node)
        since = run.created.at if run is not None else at - HISTORY_S
        leased = self._own[node.name].leased(_key_of(run))
        return Circumstances(node.name, at, node.npus, since, leased)

    async def _follow_own(self, node: Node) -> None:
        await follow_own(
            self._transport, node, self._own[node.name], lambda: _key_of(self._run_on(node)), self._clock
        )

    def _run_on(self, node: Node) -> RunView | None:
        """The newest run that uses the node now."""
        path = self._inventory.path
        runs = (
            run
            for run in self._runs.runs.values()
            if run.active and node.name in run.created.nodes and run.created.inventory_path == path
        )
        return max(runs, key=lambda run: run.created.at, default=None)

    def _emit(self, event: Event) -> None:
        if isinstance(event, NodeNotReached):
            self._details.pop(event.node, None)
        elif isinstance(event, NodeObserved):
            self._own[event.node].see(event)
        self._queue.put_nowait(event)

    def _take_details(self, detailed: NodeDetailed) -> None:
        """Pass on what is new: an idle node says the same every two seconds."""
        before = self._details.get(detailed.node)
        news = before is None or replace(before, at=detailed.at) != detailed
        if before is None or news or detailed.at - before.at >= REPEAT_S:
            self._details[detailed.node] = detailed
            self._queue.put_nowait(detailed)
        if detailed.at - self._compared_at >= COMPARE_S:
            self._compared_at = detailed.at
            self._compare(detailed.at)

    def _compare(self, at: float) -> None:
        found = carry_since(self._differences, judge_fleet(tuple(self._details.values()), at))
        if found != self._differences:
            self._differences = found
            self._queue.put_nowait(NodeDetailed("", at, (), None, found))


def _key_of(run: RunView | None) -> str:
    """The name under which the run holds its nodes; "" for none."""
    return f"{run.run_id}-{run.created.uid}" if run is not None else ""
