"""The façade behind every screen: one open console over collector and store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, NamedTuple

from backend.clock import RealClock
from backend.engines.choose import check_all
from backend.engines.stages import LaunchPlan
from backend.events import Event
from backend.inventory import Inventory
from backend.live.desk import LogChunk, LogSource
from backend.problems import InputError, Problem
from backend.recipes.fields import Recipe
from backend.state.fleet_state import FleetState
from backend.state.run_state import RunBook
from backend.translation import _

if TYPE_CHECKING:
    from backend.fleet.transport import Transport
    from backend.live.collector_worker import Collector
    from backend.live.drain_feed_worker import DrainFeed
    from backend.live.lease_feed_worker import LeaseFeed
    from backend.live.run_feed_worker import RunFeed
    from backend.store.run_store import RunStore

TICK_S = 0.2


class ConsoleDesk:
    """The real `Desk`. Workers are imported when it is opened, so that the first paint is early."""

    def __init__(self, inventory: Inventory | None, recipe: Recipe, recipe_path: str) -> None:
        self.inventory = inventory
        self.recipe = recipe
        self.recipe_path = recipe_path
        self.fleet = FleetState.of(inventory) if inventory is not None else FleetState()
        self.runs = RunBook()
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._store: RunStore | None = None
        self._collector: Collector | None = None
        self._feed: RunFeed | None = None
        self._drains: DrainFeed | None = None
        self._leases: LeaseFeed | None = None

    async def open(self) -> None:
        workers = await asyncio.to_thread(_import_workers)
        self._store = await asyncio.to_thread(workers.store)
        self._feed = workers.run_feed(self._store, self._queue)
        await self._feed.start()
        if self.inventory is not None:
            self._drains = workers.drain_feed(self.inventory, self.fleet)
            await self._drains.start()
            transport = workers.connect(self.inventory)
            self._collector = workers.collector(self.inventory, self._queue, self.runs, transport=transport)
            self._collector.start()
            self._leases = workers.lease_feed(self.inventory, self.fleet, transport)
            self._leases.start()

    async def batches(self) -> AsyncIterator[tuple[Event, ...]]:
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            self.fleet.apply(batch)
            self.runs.apply(batch)
            yield tuple(batch)
            await asyncio.sleep(TICK_S)

    def check(self, recipe: Recipe) -> tuple[Problem, ...]:
        return check_all(recipe)

    def preview(self, recipe: Recipe) -> LaunchPlan:
        from backend.runs.run_site_files import preview

        return preview(recipe, self._fleet_needed())

    async def launch(self, recipe: Recipe) -> str:
        return await asyncio.to_thread(self._launch, recipe)

    def _launch(self, recipe: Recipe) -> str:
        from backend.runs.run_site_files import create_run
        from backend.runs.supervisor_process_worker import ensure_supervisor

        created = create_run(self._open_store(), recipe, self._fleet_needed())
        ensure_supervisor(created.run_id)
        return created.run_id

    async def stop(self, run_id: str) -> None:
        await asyncio.to_thread(self._stop, run_id)

    def _stop(self, run_id: str) -> None:
        from backend.runs.run_site_files import actor
        from backend.runs.supervisor_process_worker import ensure_supervisor

        self._open_store().ask_stop(run_id, actor())
        ensure_supervisor(run_id)

    async def drain(self, node: str, reason: str) -> None:
        from backend.fleet.drain_files import Drain, drain
        from backend.runs.run_site_files import actor
        from backend.store.state_directory_files import state_directory

        said = Drain(actor(), round(RealClock().now(), 3), reason)
        await asyncio.to_thread(drain, self._fleet_needed(), state_directory(), (node,), said)
        await self._look_at_drains()

    async def undrain(self, node: str) -> None:
        from backend.fleet.drain_files import undrain
        from backend.store.state_directory_files import state_directory

        await asyncio.to_thread(undrain, self._fleet_needed(), state_directory(), (node,))
        await self._look_at_drains()

    async def _look_at_drains(self) -> None:
        if self._drains is not None:
            await self._drains.look()

    def logs(self, run_id: str) -> tuple[LogSource, ...]:
        from backend.live.log_reader_files import log_sources

        return log_sources(run_id)

    async def read_log(self, run_id: str, source: str, offset: int, limit: int = 262_144) -> LogChunk:
        from backend.live.log_reader_files import read_lines

        return await asyncio.to_thread(read_lines, run_id, source, offset, limit)

    def save_recipe(self, recipe: Recipe, path: str) -> None:
        from backend.recipes.recipe_files import save_recipe

        save_recipe(recipe, path)
        self.recipe, self.recipe_path = recipe, path

    async def close(self) -> None:
        if self._leases is not None:
            await self._leases.close()
        if self._collector is not None:
            await self._collector.close()
        if self._drains is not None:
            await self._drains.close()
        if self._feed is not None:
            await self._feed.close()
        if self._store is not None:
            self._store.close()

    def _fleet_needed(self) -> Inventory:
        if self.inventory is None:
            raise InputError.because(
                _("there is no inventory, so there are no nodes to run on"),
                fix=_("write npudeck.toml, or start `npudeck demo`"),
            )
        return self.inventory

    def _open_store(self) -> RunStore:
        if self._store is None:
            from backend.store.run_store import RunStore

            self._store = RunStore()
        return self._store


class _Workers(NamedTuple):
    connect: Callable[[Inventory], Transport]
    store: type[RunStore]
    run_feed: type[RunFeed]
    drain_feed: type[DrainFeed]
    lease_feed: type[LeaseFeed]
    collector: type[Collector]


def _import_workers() -> _Workers:
    from backend.fleet.connect_client import connect
    from backend.live.collector_worker import Collector
    from backend.live.drain_feed_worker import DrainFeed
    from backend.live.lease_feed_worker import LeaseFeed
    from backend.live.run_feed_worker import RunFeed
    from backend.store.run_store import RunStore

    return _Workers(connect, RunStore, RunFeed, DrainFeed, LeaseFeed, Collector)


def open_desk(inventory: str | None, recipe: str | None = None) -> ConsoleDesk:
    """A desk on the given files. Without an inventory anywhere the screens say how to get one.

    Raises `InputError` for a file that was named, or found, and cannot be used.
    """
    from backend.fleet.inventory_files import find_inventory, load_inventory
    from backend.recipes.recipe_files import read_recipe

    try:
        path: str | None = find_inventory(inventory)
    except InputError:
        if inventory is not None:
            raise
        path = None
    fleet = load_inventory(path) if path is not None else None
    chosen = read_recipe(recipe)[0] if recipe is not None else Recipe()
    return ConsoleDesk(fleet, chosen, recipe or "")
