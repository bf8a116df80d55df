"""Holding by hand that is interrupted."""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path

import pytest
from loopback_ssh import LoopbackHost

from backend.fleet import hold_worker
from backend.fleet.hold_worker import Holding
from backend.fleet.leases import LeaseOwner, acquire, leases_of
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Node
from backend.problems import ConflictError

MINE = LeaseOwner("by-hand-ann", "ann@gate", 1_700_000_000.0)
THEIRS = LeaseOwner("r8-aaaaaa", "bob@gate", 1_700_000_060.0)


async def held(transport: SshTransport, node: Node) -> dict[str, str]:
    return {lease.device: lease.run_key for lease in await leases_of(transport, node)}


async def test_only_what_this_call_took_is_given_back(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, MINE, [0])
    await acquire(transport, node, THEIRS, [5])
    holding = Holding(MINE, [0, 1, 2], steal=False)
    await holding.hold(transport, node)
    assert set(await held(transport, node)) == {"0", "1", "2", "5"}
    assert await holding.give_back(transport) == (("n01",), {})
    assert await held(transport, node) == {"0": MINE.run_key, "5": THEIRS.run_key}


async def test_a_refusal_leaves_nothing_to_give_back(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, THEIRS, [1])
    holding = Holding(MINE, None, steal=False)
    with pytest.raises(ConflictError):
        await holding.hold(transport, node)
    assert await holding.give_back(transport) == ((), {})


async def test_a_node_that_was_just_being_asked(
    transport: SshTransport, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes its NPUs after the interrupt: they are waited for, and given back."""
    asked = asyncio.Event()

    async def slowly(*words: object, **more: object) -> object:
        asked.set()
        await asyncio.sleep(0.3)
        return await acquire(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(hold_worker, "acquire", slowly)
    holding = Holding(MINE, None, steal=False)
    holds = asyncio.ensure_future(holding.hold(transport, node))
    await asked.wait()
    holds.cancel()
    assert await holding.give_back(transport) == (("n01",), {})
    assert await held(transport, node) == {}


async def test_a_node_that_cannot_give_back_is_named(
    transport: SshTransport, node: Node, host: LoopbackHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold_worker, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(hold_worker, "_DEADLINE_S", 0.5)
    holding = Holding(MINE, None, steal=False)
    await holding.hold(transport, node)
    with (Path(node.work_directory) / ".npudeck" / "leases.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert await holding.give_back(transport) == ((), {"n01": "no answer within 0.5 s"})
