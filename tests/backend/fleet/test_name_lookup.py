"""Names that nobody resolves: they hold up no other name, no known node, and not the end of the program."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from backend.fleet.name_lookup_client import NameLookups, connected

ROOT = Path(__file__).resolve().parents[3]


class DeadService:
    """A name service that leaves `x…` without an answer until the test ends."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.over = threading.Event()

    def __call__(self, host: str, *rest: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("x"):
            self.over.wait(30)
        return socket.getaddrinfo(host, *rest)


async def test_many_that_hang_hold_up_nobody() -> None:
    service = DeadService()
    lookups = NameLookups(service)
    hanging = [lookups.addresses(f"x{number}", 22, 0, 0.5) for number in range(64)]
    began = time.monotonic()
    waiting = asyncio.gather(*hanging, return_exceptions=True)
    await asyncio.sleep(0.1)
    found = await lookups.addresses("localhost", 22, socket.AF_INET, 0.5)
    assert [entry[4] for entry in found] == [("127.0.0.1", 22)]
    errors = await waiting
    assert time.monotonic() - began < 2
    assert {error.errno for error in errors if isinstance(error, socket.gaierror)} == {socket.EAI_AGAIN}
    assert len(errors) == 64
    service.over.set()


async def test_a_name_under_way_is_not_asked_again() -> None:
    service = DeadService()
    lookups = NameLookups(service)
    asking = [lookups.addresses("x", 22, 0, 0.2) for _again in range(5)]
    await asyncio.gather(*asking, return_exceptions=True)
    assert service.asked == ["x"]
    service.over.set()


async def test_a_dead_service_is_waited_for_shortly_until_it_answers() -> None:
    service = DeadService()
    lookups = NameLookups(service)
    first = [lookups.addresses(f"x{number}", 22, 0, 0.1) for number in range(16)]
    await asyncio.gather(*first, return_exceptions=True)
    began = time.monotonic()
    with pytest.raises(socket.gaierror):
        await lookups.addresses("x-more", 22, 0, 30.0)
    assert time.monotonic() - began < 5
    await lookups.addresses("localhost", 22, 0, 30.0)
    waiting = asyncio.ensure_future(lookups.addresses("x-again", 22, 0, 30.0))
    await asyncio.sleep(1.5)
    assert not waiting.done()
    waiting.cancel()
    service.over.set()


async def test_an_address_needs_no_lookup_and_every_address_is_tried() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with await connected("127.0.0.1", port, 0, 1.0) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)

    def two(_host: str, *rest: Any) -> list[Any]:
        return [*socket.getaddrinfo("127.0.0.2", *rest), *socket.getaddrinfo("127.0.0.1", *rest)]

    with await connected("two", port, 0, 1.0, NameLookups(two)) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await connected("two", port, 0, 1.0, NameLookups(two))


_LEAVE = """
import asyncio, time
from backend.fleet.name_lookup_client import NameLookups

async def main():
    lookups = NameLookups(lambda *words: time.sleep(20))
    asking = (lookups.addresses(f"x{n}", 22, 0, 0.2) for n in range(100))
    await asyncio.gather(*asking, return_exceptions=True)

asyncio.run(main())
"""


def test_the_program_ends_while_lookups_hang() -> None:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _LEAVE], cwd=ROOT, check=True, timeout=15)
    assert time.monotonic() - began < 10


async def test_who_waits_already_learns_that_the_service_is_dead() -> None:
    service = DeadService()
    lookups = NameLookups(service)
    waiting = asyncio.ensure_future(lookups.addresses("x", 22, 0, 30.0))
    await asyncio.sleep(0)
    first = [lookups.addresses(f"x{number}", 22, 0, 0.1) for number in range(16)]
    await asyncio.gather(*first, return_exceptions=True)
    with pytest.raises(socket.gaierror):
        await asyncio.wait_for(waiting, 5)
    service.over.set()
