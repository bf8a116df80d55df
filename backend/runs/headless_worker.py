"""A whole run without a screen: make it, see it through, sum it up."""

from __future__ import annotations

from collections.abc import Callable

from backend.clock import RealClock
from backend.events import Event
from backend.fleet.inventory_files import load_inventory
from backend.recipes.recipe_files import load_recipe
from backend.runs.follow_run_worker import follow_run
from backend.runs.run_site_files import actor, create_run
from backend.runs.run_summary import RunSummary, summarize
from backend.runs.telling import telling
from backend.state.run_state import RunView
from backend.store.run_store import RunStore


def run_to_end(inventory_path: str, recipe_path: str, progress: Callable[[str], None]) -> RunSummary:
    """Launch a recipe and wait for its end. Raises `NpudeckError` when it cannot be launched."""
    store = RunStore()
    try:
        created = create_run(store, load_recipe(recipe_path), load_inventory(inventory_path))

        def tell(_run: RunView, event: Event) -> None:
            line = telling(event)
            if line:
                progress(line)

        try:
            run = follow_run(store, created.run_id, tell)
        except KeyboardInterrupt:
            # the fleet of a headless run goes with it: first end what runs there
            store.ask_stop(created.run_id, actor())
            follow_run(store, created.run_id, tell)
            raise
        return summarize(run, RealClock().now())
    finally:
        store.close()
