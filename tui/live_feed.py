"""Reads the desk's stream and tells the screens, at most ten times a second, that something changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from textual.message import Message

from backend.clock import Clock
from backend.events import Event, NodeDetailed, NodeNotReached, NodeObserved
from backend.live.desk import Desk
from backend.problems import NpudeckError
from tui.device_history import DeviceHistory

TICK_S = 0.1
SILENT_AFTER_S = 30.0


class FeedTicked(Message):
    """Something changed; what, is in the feed. The latest wins: nothing is lost by dropping one."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, FeedTicked)


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of nodes and ids of runs that changed since they were last asked for."""

    nodes: frozenset[str]
    runs: frozenset[str]


class LiveFeed:
    """Gathers what batches change between two ticks.

    `last_at` is when the last batch came (None: none yet), `ended` that no more will come, `error` why:
    one sentence a line.
    """

    def __init__(self, desk: Desk, clock: Clock, tell: Callable[[], object]) -> None:
        self.history = DeviceHistory()
        self.opened_at: float | None = None
        self.last_at: float | None = None
        self.ended = False
        self.error = ""
        self._desk = desk
        self._clock = clock
        self._tell = tell
        self._nodes: set[str] = set()
        self._runs: set[str] = set()
        self._told_at = float("-inf")
        self._pending: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Open the desk and read it until it closes; never raises what a person can read."""
        try:
            await self._desk.open()
            self.opened_at = self._clock.now()
            self._tell()
            async for batch in self._desk.batches():
                self._gather(batch)
                self._schedule()
        except NpudeckError as error:
            self.error = str(error)
        finally:
            self.ended = True
            if self._pending is not None:
                self._pending.cancel()
            self._tell()

    def take(self) -> Changes:
        """What changed since the last call."""
        changes = Changes(frozenset(self._nodes), frozenset(self._runs))
        self._nodes.clear()
        self._runs.clear()
        return changes

    def silent_since(self) -> float | None:
        """Since when nothing came although something should have; None while the stream is live."""
        if self._desk.inventory is None or not self._desk.inventory.nodes:
            return None
        since = self.last_at if self.last_at is not None else self.opened_at
        if self.ended:
            return since if since is not None else self._clock.now()
        if since is None or self._clock.now() - since <= SILENT_AFTER_S:
            return None
        return since

    def _gather(self, batch: Iterable[Event]) -> None:
        self.last_at = self._clock.now()
        for event in batch:
            if isinstance(event, NodeObserved):
                self.history.take(event)
                self._nodes.add(event.node)
            elif isinstance(event, NodeNotReached | NodeDetailed):
                self._nodes.add(event.node)
            else:
                self._runs.add(event.run_id)

    def _schedule(self) -> None:
        """Tell now if the last time is a tick ago, else once when the tick is over."""
        if self._pending is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._told_at + TICK_S - loop.time()
        self._pending = loop.call_later(max(0.0, wait), self._tell_now)

    def _tell_now(self) -> None:
        self._pending = None
        self._told_at = asyncio.get_running_loop().time()
        self._tell()
