"""One loopback host and a transport to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from loopback_ssh import LoopbackHost

from backend.fleet.ssh_client import SshTransport
from backend.inventory import Node


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[LoopbackHost]:
    host = LoopbackHost(tmp_path)
    await host.start()
    yield host
    await host.stop()


@pytest.fixture
async def transport(host: LoopbackHost) -> AsyncIterator[SshTransport]:
    transport = SshTransport(host.options())
    yield transport
    await transport.close()


@pytest.fixture
def node(host: LoopbackHost) -> Node:
    return host.node()
