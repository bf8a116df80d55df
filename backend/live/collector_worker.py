"""The in-process collector: one observer a node, into one queue."""

from __future__ import annotations

import asyncio

from backend.events import Event
from backend.fleet.connect_client import connect
from backend.fleet.transport import Transport
from backend.inventory import Inventory
from backend.probes.probe_worker import observe

INTERVAL_S = 2.0


class Collector:
    """Observe every node of a fleet until closed. A node that is silent delays nobody."""

    def __init__(
        self, inventory: Inventory, queue: asyncio.Queue[Event], interval_s: float = INTERVAL_S
    ) -> None:
        self._inventory = inventory
        self._queue = queue
        self._interval_s = interval_s
        self._transport: Transport = connect(inventory)
        self._observers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._observers = [
            asyncio.create_task(observe(self._transport, node, self._interval_s, self._queue.put_nowait))
            for node in self._inventory.nodes
        ]

    async def close(self) -> None:
        for observer in self._observers:
            observer.cancel()
        await asyncio.gather(*self._observers, return_exceptions=True)
        await self._transport.close()
