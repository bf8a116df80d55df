"""The attached source: what supervisors write into the store, as it is written."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time

from backend.events import Event, RunCreated, RunStateChanged
from backend.runs.supervisor_process_worker import ensure_supervisor
from backend.state.run_state import RunBook
from backend.store.run_store import Position, RunStore

_POLL_S = 0.25
_REVIVE_S = 10.0


class RunFeed:
    """Poll the store in a thread; supervisors of active runs that died are started again."""

    def __init__(self, store: RunStore, queue: asyncio.Queue[Event]) -> None:
        self._store = store
        self._queue = queue
        self._position = Position()
        self._book = RunBook()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what is there, then go on in the background."""
        await self._read()
        self._task = asyncio.create_task(self._feed())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _feed(self) -> None:
        revived = 0.0
        while True:
            # a store that is busy for longer than its own patience is asked again, not given up
            with contextlib.suppress(sqlite3.Error):
                await self._read()
                if time.monotonic() - revived > _REVIVE_S:
                    revived = time.monotonic()
                    await self._revive()
            await asyncio.sleep(_POLL_S)

    async def _read(self) -> None:
        events, self._position = await asyncio.to_thread(self._store.read_since, self._position)
        self._book.apply(event for event in events if isinstance(event, RunCreated | RunStateChanged))
        for event in events:
            self._queue.put_nowait(event)

    async def _revive(self) -> None:
        for run in self._book.runs.values():
            if run.active:
                await asyncio.to_thread(ensure_supervisor, run.run_id)
