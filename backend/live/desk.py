"""What a screen may ask for: the façade's protocol. `live/console.py` is the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from backend.engines.stages import LaunchPlan
from backend.events import Event
from backend.inventory import Inventory
from backend.problems import Problem
from backend.recipes.fields import Recipe
from backend.state.fleet_state import FleetState
from backend.state.run_state import RunBook


@dataclass(frozen=True, slots=True)
class LogSource:
    """A log of a run that can be read: `name` is "stage/node", e.g. "train/n02"."""

    name: str
    node: str
    stage: str


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Lines from `start` (bytes) to `end`; the next chunk begins at `end`."""

    lines: tuple[str, ...]
    start: int
    end: int


class Desk(Protocol):
    """One open console. All calls are short; what takes time reports through the stream."""

    inventory: Inventory | None
    fleet: FleetState
    runs: RunBook
    recipe_path: str
    recipe: Recipe

    async def open(self) -> None:
        """Load the runs from the store and begin to observe. Called after first paint."""
        ...

    def batches(self) -> AsyncIterator[tuple[Event, ...]]:
        """What changed; `fleet` and `runs` have taken it in already."""
        ...

    def check(self, recipe: Recipe) -> tuple[Problem, ...]:
        """Every broken rule, errors first."""
        ...

    def preview(self, recipe: Recipe) -> LaunchPlan:
        """Exactly what a launch would run. Raises `InputError` when the recipe is not valid."""
        ...

    async def launch(self, recipe: Recipe) -> str:
        """Start a run; answers its id at once, the rest comes as events."""
        ...

    async def stop(self, run_id: str) -> None: ...

    async def drain(self, node: str, reason: str) -> None:
        """Start nothing new on a node; what runs there goes on. Raises `LocalError`."""
        ...

    async def undrain(self, node: str) -> None:
        """Put a drained node back into service. Raises `LocalError`."""
        ...

    def logs(self, run_id: str) -> tuple[LogSource, ...]: ...

    async def read_log(self, run_id: str, source: str, offset: int, limit: int = 262_144) -> LogChunk:
        """Lines of a log's mirror from a byte offset; a negative offset counts from the end."""
        ...

    def save_recipe(self, recipe: Recipe, path: str) -> None: ...

    async def close(self) -> None: ...
