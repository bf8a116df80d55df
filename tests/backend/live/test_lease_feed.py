"""Who holds a node, asked of real files by the real script, as it changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from backend.clock import SteppedClock
from backend.fleet.leases import LeaseOwner, acquire, release
from backend.fleet.transport import Completed
from backend.inventory import Inventory, Node
from backend.live.lease_feed_worker import LeaseFeed
from backend.problems import NodeError
from backend.state.fleet_state import FleetState
from backend.state.lease import NodeLeases

OWNER = LeaseOwner("r9-44ab", "ops2@gate", 1_763_900_000.0, why="profiling")


class _Here:
    """Runs what it is told on this machine; `cut`: as if the node were gone."""

    cut = False

    async def run(
        self, node: Node, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 15.0
    ) -> Completed:
        if self.cut:
            raise NodeError.because("cut")
        process = await asyncio.create_subprocess_exec(
            *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        return Completed(process.returncode or 0, out, err)

    async def close(self) -> None: ...


async def _until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="the nodes are Linux machines")
async def test_who_holds_a_node_is_known_as_it_changes(tmp_path: Path) -> None:
    node = Node("n1", "n1", "n1", 8, str(tmp_path))
    fleet = Inventory("lab", (node,), "/shared", path="/i.toml")
    state, transport = FleetState.of(fleet), _Here()
    feed = LeaseFeed(fleet, state, transport, interval_s=0.05, clock=SteppedClock(77.0))
    feed.start()
    try:
        await _until(lambda: state.holdings)
        assert state.holdings["n1"] == NodeLeases(77.0)

        await acquire(transport, node, OWNER, [0, 3])
        await _until(lambda: state.holdings["n1"].leases)
        await _until(lambda: len(state.holdings["n1"].leases) == 2)
        first, second = state.holdings["n1"].leases
        assert (first.device, first.run_key, first.actor, first.since) == (
            "0", "r9-44ab", "ops2@gate", OWNER.since,
        )  # fmt: skip
        assert (first.state, first.over, first.why) == ("held", False, "profiling")
        assert (second.covers(3), second.covers(0)) == (True, False)

        await release(transport, node, OWNER.run_key)
        await _until(lambda: not state.holdings["n1"].leases)

        transport.cut = True
        await _until(lambda: not state.holdings)
    finally:
        await feed.close()
