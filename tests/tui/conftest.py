"""Screens under a clock that stands still, in UTC, with nothing that moves by itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from fake_desk import NOW, FakeDesk
from screen_text import settled
from textual.pilot import Pilot
from waiting import OpenConsole, until

from backend.clock import SteppedClock
from tui.app import NpudeckApp


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()


@pytest.fixture
def console() -> OpenConsole:
    """`async with console(desk, (80, 24)) as (app, pilot)`: painted, and its desk opened."""

    @asynccontextmanager
    async def open_console(
        desk: FakeDesk, size: tuple[int, int] = (80, 24), clock: SteppedClock | None = None
    ) -> AsyncIterator[tuple[NpudeckApp, Pilot[None]]]:
        app = NpudeckApp(desk, clock or SteppedClock(NOW))
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: desk.opened)
            await settled(pilot)
            yield app, pilot

    return open_console


@pytest.fixture
def wait() -> Callable[..., Awaitable[None]]:
    return until
