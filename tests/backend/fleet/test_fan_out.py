"""Many nodes at once."""

from __future__ import annotations

import asyncio

import pytest

from backend.fleet.fan_out import as_done, fan_out
from backend.inventory import Node
from backend.problems import ConflictError, NodeUnreachableError

NODES = [Node(f"n{number:02d}", f"n{number:02d}", "", 8, "/w") for number in range(20)]


async def test_results_in_order_errors_as_values() -> None:
    async def action(node: Node) -> str:
        if node.name == "n03":
            raise ConflictError.because("held")
        if node.name == "n04":
            await asyncio.sleep(60)
        return node.name.upper()

    results = await fan_out(NODES, action, deadline_s=0.2)
    assert list(results) == [node.name for node in NODES]
    assert results["n02"] == "N02"
    assert isinstance(results["n03"], ConflictError)
    assert isinstance(results["n04"], NodeUnreachableError)


async def test_a_slow_node_delays_nobody() -> None:
    release = asyncio.Event()

    async def action(node: Node) -> str:
        if node.name == "n00":
            await release.wait()
        return node.name

    seen = []
    async for node, _result in as_done(NODES, action, deadline_s=30):
        seen.append(node.name)
        if len(seen) == len(NODES) - 1:
            release.set()
    assert seen[-1] == "n00"


async def test_bounded() -> None:
    running = most = 0

    async def action(node: Node) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    await fan_out(NODES, action, limit=3, deadline_s=5)
    assert most == 3


async def test_a_bug_ends_it_and_cancels_the_rest() -> None:
    cancelled = []

    async def action(node: Node) -> None:
        if node.name == "n05":
            raise ZeroDivisionError
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(node.name)
            raise

    with pytest.raises(ZeroDivisionError):
        await fan_out(NODES, action, deadline_s=30)
    assert len(cancelled) == len(NODES) - 1


async def test_no_nodes() -> None:
    async def action(node: Node) -> None:
        raise AssertionError

    assert await fan_out([], action, deadline_s=1) == {}
