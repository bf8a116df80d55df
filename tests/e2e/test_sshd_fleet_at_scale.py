"""Sixty-four real sshd, some of them dead and some of them silent: nobody waits for those."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from collections.abc import Iterator

import pytest
from loopback_sshd import SSHD
from sshd_fleet import SshdFleet

from backend.events import NodeObserved
from backend.fleet.fan_out import as_done
from backend.fleet.ssh_client import SshTransport
from backend.probes.probe_worker import observe_once

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(not SSHD, reason="no sshd"),
    pytest.mark.skipif(os.getuid() != 0, reason="one sshd on each address needs root's /run/sshd"),
]

HOSTS, DEAD, SILENT = 64, 4, 4
# a busy machine with both ends on it; benchmarks/fleet.py measures the real figures
ALL_SEEN_S = 20.0
GIVE_UP_S = 25.0


@pytest.fixture
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdFleet]:
    fleet = SshdFleet(tmp_path_factory.mktemp("scale"), HOSTS)
    fleet.start()
    yield fleet
    fleet.stop()


async def test_dead_and_silent_hosts_keep_nobody(fleet: SshdFleet) -> None:
    for host in fleet.hosts[: DEAD + SILENT]:
        fleet.kill(host)
    listeners = []
    for host in fleet.hosts[DEAD : DEAD + SILENT]:
        # it takes the call and never says a word
        listener = socket.create_server((host.address, fleet.port))
        listeners.append(listener)
    nodes = fleet.inventory().nodes
    hurt = {node.name for node in nodes[: DEAD + SILENT]}
    transport = SshTransport(fleet.options())
    began, seen, missed = time.monotonic(), {}, {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async for node, answer in as_done(
        nodes, lambda node: observe_once(transport, node, GIVE_UP_S), deadline_s=GIVE_UP_S + 1
    ):
        found = seen if isinstance(answer, NodeObserved) else missed
        found[node.name] = time.monotonic() - began
    assert set(missed) == hurt
    assert len(seen) == HOSTS - DEAD - SILENT
    assert max(seen.values()) < ALL_SEEN_S
    dead = [missed[node.name] for node in nodes[:DEAD]]
    assert max(dead) < ALL_SEEN_S
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 150
    # and again over the connections that are there
    began = time.monotonic()
    done = await asyncio.gather(*(transport.run(node, ["true"]) for node in nodes[DEAD + SILENT :]))
    assert all(answer.ok for answer in done)
    assert time.monotonic() - began < ALL_SEEN_S / 2
    await transport.close()
    for listener in listeners:
        listener.close()
