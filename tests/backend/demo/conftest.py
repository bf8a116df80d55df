"""A demo fleet of two nodes inside the test's own event loop, and a client that checks the host key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from backend.demo.demo_hosts import DemoHosts
from backend.demo.demo_layout import claim


class Client:
    """Logs in as any command of the product would."""

    def __init__(self, hosts: DemoHosts) -> None:
        self.hosts = hosts

    def connect(self, node: str = "demo-1") -> asyncssh.connection._ACMWrapper:
        layout = self.hosts.layout
        return asyncssh.connect(
            "127.0.0.1",
            self.hosts.nodes[node].port,
            username="demo",
            known_hosts=str(layout.known_hosts),
            client_keys=[str(layout.client_key)],
            agent_path=None,
            config=None,
            connect_timeout=10,
        )

    async def run(self, command: str, node: str = "demo-1", stdin: str = "") -> asyncssh.SSHCompletedProcess:
        async with self.connect(node) as connection:
            return await connection.run(command, input=stdin)


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[DemoHosts]:
    fleet = DemoHosts(claim(tmp_path / "fleet"), 2)
    await fleet.start()
    yield fleet
    await fleet.stop()


@pytest.fixture
def client(hosts: DemoHosts) -> Client:
    return Client(hosts)
