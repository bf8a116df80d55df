"""What the store knows of runs, as views."""

from __future__ import annotations

import sys

from backend.state.run_state import RunBook, RunView
from backend.store.run_store import Position, RunStore

_NO_ITERATIONS = Position(iteration=sys.maxsize)


def load_book(store: RunStore, *, iterations: bool = True) -> RunBook:
    """Every run; without `iterations` it is cheap however long the runs were."""
    book = RunBook()
    book.apply(store.read_since(Position() if iterations else _NO_ITERATIONS)[0])
    return book


def load_run(store: RunStore, run_id: str) -> RunView:
    """A run with all that is known of it. Raises `InputError` for an unknown one."""
    store.require(run_id)
    book = RunBook()
    book.apply(store.read_since(Position(), run_id)[0])
    return book.runs[run_id]
