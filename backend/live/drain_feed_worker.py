"""Which nodes operators have taken out of service, as they do it: the file is read now and then."""

from __future__ import annotations

import asyncio

from backend.fleet.drain_files import drains_of
from backend.inventory import Inventory
from backend.problems import LocalError
from backend.state.fleet_state import FleetState
from backend.store.state_directory_files import state_place

INTERVAL_S = 5.0


class DrainFeed:
    """Keeps `drained` and `drained_by` of the fleet as the file says. A broken file changes nothing."""

    def __init__(self, inventory: Inventory, fleet: FleetState, interval_s: float = INTERVAL_S) -> None:
        self._inventory = inventory
        self._fleet = fleet
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.look()
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self.look()

    async def look(self) -> None:
        """Read the file now."""
        try:
            drains = await asyncio.to_thread(drains_of, self._inventory, state_place())
        except LocalError:
            return
        known = {name: said for name, said in drains.items() if name in self._fleet.nodes}
        self._fleet.drained = {name: said.why for name, said in known.items()}
        self._fleet.drained_by = {name: (said.by, said.at) for name, said in known.items()}
