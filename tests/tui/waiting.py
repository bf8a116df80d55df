"""How a test gets at a console, and how it waits: for a named condition, never for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from textual.pilot import Pilot

from tui.app import NpudeckApp

OpenConsole = Callable[..., AbstractAsyncContextManager[tuple[NpudeckApp, Pilot[None]]]]


async def until(pilot: Pilot[None], condition: Callable[[], object], deadline_s: float = 10.0) -> None:
    """Fails when the condition does not come true in time."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        await pilot.pause(0.02)
