"""The protocol behind which the collector, the attached reader and the replay stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from backend.events import Event


class EventSource(Protocol):
    """A stream of batches, one a tick. A screen cannot tell its sources apart."""

    def batches(self) -> AsyncIterator[tuple[Event, ...]]:
        """Yield what happened since the last batch; never an empty one. Ends when the source is closed."""
        ...

    async def close(self) -> None: ...
