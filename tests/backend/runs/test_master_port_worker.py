from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence

import pytest

from backend.fleet.transport import Channel, Completed
from backend.inventory import Node
from backend.problems import NodeError
from backend.runs.master_port_worker import FIRST, LAST, free_port, random_port

HERE = Node("here", "localhost", "127.0.0.1", 0, "/tmp", python=sys.executable)


class ThisMachine:
    """A transport that runs the command here."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken

    async def run(
        self, node: Node, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 15.0
    ) -> Completed:
        if self.broken:
            return Completed(1, b"", b"no sockets here")
        done = subprocess.run(argv, capture_output=True, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    async def open(self, node: Node, argv: Sequence[str], *, timeout_s: float = 15.0) -> Channel:
        raise NotImplementedError

    async def close(self) -> None: ...


async def test_a_port_that_is_taken_is_replaced() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        port = await free_port(ThisMachine(), HERE, busy)
        assert port != busy
    assert await free_port(ThisMachine(), HERE, port) == port


async def test_a_node_without_any_says_so() -> None:
    with pytest.raises(NodeError, match="no sockets here"):
        await free_port(ThisMachine(broken=True), HERE, 20_000)


def test_ports_stay_below_the_ephemeral_range() -> None:
    assert all(FIRST <= random_port() <= LAST for _ in range(100))
