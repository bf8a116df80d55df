"""Read one run from the store as it goes on: what `launch`, `watch` and the demo have in common."""

from __future__ import annotations

import time
from collections.abc import Callable

from backend.events import Event
from backend.runs.supervisor_process_worker import ensure_supervisor
from backend.state.run_state import RunBook, RunView
from backend.store.run_store import Position, RunStore

_POLL_S = 0.25
_REVIVE_S = 10.0


def follow_run(store: RunStore, run_id: str, tell: Callable[[RunView, Event], None]) -> RunView:
    """Tell every event until the run has ended; a supervisor that died is started again."""
    store.require(run_id)
    book = RunBook()
    position = Position()
    revived = 0.0
    while True:
        events, position = store.read_since(position, run_id)
        for event in events:
            book.apply((event,))
            tell(book.runs[run_id], event)
        if not book.runs[run_id].active:
            return book.runs[run_id]
        if time.monotonic() - revived > _REVIVE_S:
            revived = time.monotonic()
            ensure_supervisor(run_id)
        time.sleep(_POLL_S)
