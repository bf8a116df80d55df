"""Ask every node of an inventory, as one process of npudeck does: cold, warm, and for the health of its NPUs.

    _fleet_ask.py INVENTORY cold FILE            log in everywhere and read FILE, end
    _fleet_ask.py INVENTORY rounds FILE COUNT    log in everywhere, then COUNT warm rounds of each kind

Prints one line of JSON: seconds of each.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable

from backend.fleet.connect_client import connect
from backend.fleet.fan_out import fan_out
from backend.fleet.inventory_files import load_inventory
from backend.fleet.transport import Transport
from backend.inventory import Node

_DEADLINE_S = 60.0
_PAUSE_S = 1.0


async def cold(transport: Transport, nodes: tuple[Node, ...], file: str) -> dict[str, object]:
    return {"read": await _timed(nodes, lambda node: _read(transport, node, file))}


async def rounds(transport: Transport, nodes: tuple[Node, ...], file: str, count: int) -> dict[str, object]:
    found: dict[str, list[float]] = {"read": [], "health": []}
    connect_s = await _timed(nodes, lambda node: _read(transport, node, file))
    for _turn in range(count):
        found["read"].append(await _timed(nodes, lambda node: _read(transport, node, file)))
    for _turn in range(count):
        found["health"].append(await _timed(nodes, lambda node: _health(transport, node)))
    found["watch"] = await _watched(transport, nodes, count)
    return {"connect": connect_s, **found}


async def _watched(transport: Transport, nodes: tuple[Node, ...], count: int) -> list[float]:
    """Seconds that a round of the resident probes takes beyond the pause that they make between two."""
    from backend.events import Event, NodeObserved
    from backend.probes.probe_worker import observe

    seen = dict.fromkeys((node.name for node in nodes), 0)
    whole: list[float] = []

    def emit(event: Event) -> None:
        if not isinstance(event, NodeObserved):
            raise SystemExit(f"a node was not seen: {event}")
        seen[event.node] += 1
        if min(seen.values()) > len(whole):
            whole.append(time.perf_counter())

    watching = [
        asyncio.create_task(observe(transport, node, _PAUSE_S, emit, deadline_s=_DEADLINE_S))
        for node in nodes
    ]
    # the first round starts the probes, and is no round
    while len(whole) < count + 2:
        await asyncio.sleep(0.05)
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    return [after - before - _PAUSE_S for before, after in itertools.pairwise(whole[1 : count + 2])]


async def _timed(nodes: tuple[Node, ...], ask: Callable[[Node], Awaitable[bool]]) -> float:
    began = time.perf_counter()
    answers = await fan_out(nodes, ask, limit=len(nodes), deadline_s=_DEADLINE_S)
    took = time.perf_counter() - began
    if failed := [name for name, answer in answers.items() if answer is not True]:
        raise SystemExit(f"{len(failed)} nodes did not answer, {failed[0]}: {answers[failed[0]]}")
    return took


async def _read(transport: Transport, node: Node, file: str) -> bool:
    done = await transport.run(node, ["cat", file], timeout_s=_DEADLINE_S)
    return done.ok and len(done.stdout) > 0


async def _health(transport: Transport, node: Node) -> bool:
    # not when the file is read alone: who only runs a command does not load them either
    from backend.events import NodeObserved
    from backend.probes.probe_worker import observe_once

    seen = await observe_once(transport, node, _DEADLINE_S)
    return isinstance(seen, NodeObserved) and len(seen.devices) == node.npus


async def main(words: list[str]) -> None:
    inventory = load_inventory(words[0])
    transport = connect(inventory)
    try:
        if words[1] == "cold":
            found = await cold(transport, inventory.nodes, words[2])
        else:
            found = await rounds(transport, inventory.nodes, words[2], int(words[3]))
    finally:
        await transport.close()
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
