"""The transport of an inventory: SSH to its nodes, and into their container where it names one."""

from __future__ import annotations

from collections.abc import Sequence

from backend.fleet.containers import in_container
from backend.fleet.ssh_client import SshTransport
from backend.fleet.transport import Channel, Completed, Transport
from backend.inventory import Container, Inventory, Node


class ContainerTransport:
    """The same calls, run inside the container of each node."""

    def __init__(self, outer: Transport, container: Container) -> None:
        self.outer = outer
        self.container = container

    async def run(
        self, node: Node, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 15.0
    ) -> Completed:
        inside = in_container(self.container, argv, interactive=bool(stdin))
        return await self.outer.run(node, inside, stdin=stdin, timeout_s=timeout_s)

    async def open(self, node: Node, argv: Sequence[str], *, timeout_s: float = 15.0) -> Channel:
        inside = in_container(self.container, argv, interactive=True)
        return await self.outer.open(node, inside, timeout_s=timeout_s)

    async def close(self) -> None:
        await self.outer.close()


def connect(inventory: Inventory) -> Transport:
    """To the hosts themselves. Nothing is opened yet: a connection is made when it is first needed."""
    return SshTransport(inventory.ssh)


def to_the_host(transport: Transport) -> Transport:
    """The one that `transport` into a container goes through; else itself."""
    return transport.outer if isinstance(transport, ContainerTransport) else transport


def connect_inside(inventory: Inventory) -> Transport:
    """To where runs live: the container of each node, or the host where the inventory names none."""
    outer = connect(inventory)
    return ContainerTransport(outer, inventory.container) if inventory.container is not None else outer
