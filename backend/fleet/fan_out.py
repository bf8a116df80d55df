"""The same action on many nodes at once: bounded, and no node waits for a slow one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from backend.inventory import Node
from backend.problems import NodeUnreachableError, NpudeckError, Problem, Severity
from backend.translation import _

T = TypeVar("T")
Action = Callable[[Node], Awaitable[T]]


async def fan_out(
    nodes: Iterable[Node], action: Action[T], *, limit: int = 64, deadline_s: float
) -> dict[str, T | NpudeckError]:
    """Result or error by node name, in the order of `nodes`. See `as_done`."""
    chosen = tuple(nodes)
    results = as_done(chosen, action, limit=limit, deadline_s=deadline_s)
    found = {node.name: result async for node, result in results}
    return {node.name: found[node.name] for node in chosen}


async def as_done(
    nodes: Iterable[Node], action: Action[T], *, limit: int = 64, deadline_s: float
) -> AsyncIterator[tuple[Node, T | NpudeckError]]:
    """Yield each node with its result as soon as it is there.

    A node that raises an `NpudeckError` (`NodeError`, `ConflictError`) yields it as a value; one that takes
    longer than `deadline_s`, counted from its own start, a `NodeUnreachableError`. At most `limit` at once.
    Any other exception is a bug: it ends the whole, and what is under way is cancelled, as it is when the
    caller stops listening.
    """
    places = asyncio.Semaphore(limit)

    async def one(node: Node) -> tuple[Node, T | NpudeckError]:
        async with places:
            return node, await _bounded(node, action, deadline_s)

    tasks = [asyncio.ensure_future(one(node)) for node in nodes]
    try:
        for finished in asyncio.as_completed(tasks):
            yield await finished
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _bounded(node: Node, action: Action[T], deadline_s: float) -> T | NpudeckError:
    try:
        async with asyncio.timeout(deadline_s):
            return await action(node)
    except NpudeckError as error:
        return error
    except TimeoutError:
        what = _("no answer within {seconds:g} s").format(seconds=deadline_s)
        return NodeUnreachableError(Problem(node.name, Severity.ERROR, what))
