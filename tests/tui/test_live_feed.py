"""The stream becomes at most ten words a second, and silence is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import fake_desk
import made_fleets
from fake_desk import NOW, FakeDesk
from made_fleets import device, observed
from screen_text import screen_lines, screen_text, settled
from waiting import OpenConsole

from backend.clock import SteppedClock
from backend.events import Event
from backend.problems import LocalError
from tui.live_feed import FeedTicked, LiveFeed


async def test_many_batches_are_few_words_and_nothing_is_lost() -> None:
    desk, told = made_fleets.demo_desk(), []
    feed = LiveFeed(desk, SteppedClock(NOW), lambda: told.append(1))
    running = asyncio.create_task(feed.run())
    for place in range(300):
        desk.push(observed(f"demo-{place % 4 + 1}", (device(0), device(1)), NOW + place))
        if place % 50 == 0:
            await asyncio.sleep(0)
    desk.end()
    await running
    assert len(told) <= 5
    assert feed.take().nodes == {"demo-1", "demo-2", "demo-3", "demo-4"}
    assert feed.take().nodes == frozenset()


def test_the_latest_word_wins() -> None:
    assert FeedTicked().can_replace(FeedTicked())


async def test_silence_is_told_with_its_beginning(console: OpenConsole, wait) -> None:
    desk, clock = made_fleets.demo_desk(), SteppedClock(NOW)
    async with console(desk, (80, 24), clock) as (app, pilot):
        desk.push(observed("demo-1", (device(0), device(1)), NOW))
        await wait(pilot, lambda: app.session.feed.last_at == NOW)
        clock.advance(29)
        app._tick()
        await settled(pilot)
        assert "NO LIVE DATA" not in screen_text(app)
        clock.advance(2)
        app._tick()
        await settled(pilot)
        assert "NO LIVE DATA since 12:13:20" in screen_lines(app)[0]
        desk.push(observed("demo-1", (device(0), device(1)), NOW + 31))
        await wait(pilot, lambda: "NO LIVE DATA" not in screen_lines(app)[0])


async def test_a_console_without_a_fleet_is_not_silent(console: OpenConsole) -> None:
    clock = SteppedClock(NOW)
    async with console(FakeDesk(None), (80, 24), clock) as (app, pilot):
        clock.advance(1000)
        app._tick()
        await settled(pilot)
        assert "NO LIVE DATA" not in screen_text(app)


async def test_a_stream_that_cannot_be_opened_says_why(console: OpenConsole, wait) -> None:
    class Broken(FakeDesk):
        async def batches(self) -> AsyncIterator[tuple[Event, ...]]:
            raise LocalError.because("the store [x] cannot be opened", "the disk is full")
            yield ()

    async with console(Broken(fake_desk.small_inventory()), (120, 30)) as (app, pilot):
        await wait(pilot, lambda: "the store [x] cannot be opened" in screen_lines(app)[0])
        assert "NO LIVE DATA since 12:13:20" in screen_lines(app)[0]


async def test_keys_stay_quick_while_a_hundred_nodes_report(console: OpenConsole, wait) -> None:
    inventory = fake_desk.small_inventory(100, 8, "n")
    desk = FakeDesk(inventory)
    async with console(desk, (160, 45)) as (app, pilot):
        for tick in range(3):
            devices = tuple(device(i, load=(tick * 31 + i * 7) % 100) for i in range(8))
            desk.push(*(observed(node.name, devices, NOW + tick) for node in inventory.nodes))
            await settled(pilot)
        begin = time.process_time()
        app.on_feed_ticked()
        assert time.process_time() - begin < 0.06  # 5 ms where nothing else runs; wide for a busy machine
        await wait(pilot, lambda: "● 800" in screen_lines(app)[0])
