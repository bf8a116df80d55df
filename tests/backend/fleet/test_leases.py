"""One run a node."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.fleet.leases import LeaseOwner, acquire, holder_of, release
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Node
from backend.problems import ConflictError, NodeError

MINE = LeaseOwner("r7-3f2a91", "ann@bastion", 1_700_000_000.0)
THEIRS = LeaseOwner("r8-aaaaaa", "bob o'neil@bastion", 1_700_000_060.0)


async def test_one_holder(transport: SshTransport, node: Node) -> None:
    assert await holder_of(transport, node) is None
    await acquire(transport, node, MINE)
    await acquire(transport, node, MINE)
    assert await holder_of(transport, node) == MINE
    with pytest.raises(ConflictError, match="r7-3f2a91 of ann@bastion since 2023-11-14 22:13 UTC"):
        await acquire(transport, node, THEIRS)
    assert [path.name for path in (Path(node.work_directory) / ".npudeck").iterdir()] == ["lease"]


async def test_only_the_owner_gives_back(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, MINE)
    assert await release(transport, node, THEIRS.run_key) is False
    assert await holder_of(transport, node) == MINE
    assert await release(transport, node, MINE.run_key) is True
    assert await release(transport, node, MINE.run_key) is False
    await acquire(transport, node, THEIRS)
    assert await holder_of(transport, node) == THEIRS


async def test_two_at_once_one_wins(transport: SshTransport, node: Node) -> None:
    owners = [LeaseOwner(f"r{number}-x", "ann@bastion", 1.0) for number in range(8)]
    results = await asyncio.gather(
        *(acquire(transport, node, owner) for owner in owners), return_exceptions=True
    )
    assert results.count(None) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 7
    winner = await holder_of(transport, node)
    assert winner == owners[results.index(None)]


async def test_unwritable_work_directory(transport: SshTransport, node: Node) -> None:
    from dataclasses import replace

    with pytest.raises(NodeError, match="cannot be taken"):
        await acquire(transport, replace(node, work_directory="/proc/nowhere"), MINE)
