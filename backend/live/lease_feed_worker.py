"""Who holds the nodes, whichever bastion they were taken from: each node is asked now and then."""

from __future__ import annotations

import asyncio

from backend.clock import Clock, RealClock
from backend.fleet.connect_client import ContainerTransport
from backend.fleet.leases import leases_of
from backend.fleet.transport import Transport
from backend.inventory import Inventory, Node
from backend.problems import NpudeckError
from backend.state.fleet_state import FleetState
from backend.state.lease import NodeLeases

INTERVAL_S = 15.0
APART_S = 0.05  # between the first questions to two nodes: the table of all cards comes first


class LeaseFeed:
    """Keeps `fleet.holdings` as the nodes say; of one that cannot say, nothing is known."""

    def __init__(
        self,
        inventory: Inventory,
        fleet: FleetState,
        transport: Transport,
        interval_s: float = INTERVAL_S,
        *,
        clock: Clock | None = None,
    ) -> None:
        container = inventory.container
        self._nodes = inventory.nodes
        self._fleet = fleet
        # leases are kept where runs live
        self._transport = ContainerTransport(transport, container) if container is not None else transport
        self._place = container.name if container is not None else ""
        self._interval_s = interval_s
        self._clock = clock or RealClock()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """The transport stays the caller's, who closes it after this feed."""
        follow = (self._follow(node, place * APART_S) for place, node in enumerate(self._nodes, 1))
        self._tasks = [asyncio.create_task(one) for one in follow]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, node: Node, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        while True:
            await self._ask(node)
            await asyncio.sleep(self._interval_s)

    async def _ask(self, node: Node) -> None:
        try:
            leases = await leases_of(self._transport, node, self._place)
        except NpudeckError:
            said = {name: one for name, one in self._fleet.holdings.items() if name != node.name}
        else:
            held = NodeLeases(self._clock.now(), leases)
            said = {**self._fleet.holdings, node.name: held}
        self._fleet.holdings = said
