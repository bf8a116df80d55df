"""Connections to jump hosts: one to each, shared by all the nodes behind it."""

from __future__ import annotations

import asyncio

import asyncssh

from backend.fleet.ssh_link_client import SshLink
from backend.fleet.ssh_login_client import Target, login
from backend.inventory import SshOptions
from backend.translation import _


class SshJumps:
    """Opened when first needed and again after a loss."""

    def __init__(self, ssh: SshOptions) -> None:
        self._ssh = ssh
        self._links: dict[str, SshLink] = {}

    async def via(self, jump: str) -> asyncssh.SSHClientConnection:
        """What `login` asks for a way through."""
        return await self._connection(jump, ())

    async def close(self) -> None:
        await asyncio.gather(*(link.close() for link in self._links.values()))

    async def _connection(self, spec: str, behind: tuple[str, ...]) -> asyncssh.SSHClientConnection:
        """The shared connection to a jump host, or to the last of a chain "a,b"."""
        if spec not in self._links:
            self._links[spec] = SshLink(lambda: self._login(spec, behind))
        return await self._links[spec].connection()

    async def _login(self, spec: str, behind: tuple[str, ...]) -> asyncssh.SSHClientConnection:
        before, _comma, last = spec.strip().rpartition(",")
        passed = (*behind, spec)

        async def via(jump: str) -> asyncssh.SSHClientConnection | None:
            # `Host *` with a ProxyJump names the jump host as its own jump host: it is reached directly
            return None if jump in passed else await self._connection(jump, passed)

        return await login(jump_target(last, before or None), self._ssh, via)


def jump_target(hop: str, chain: str | None) -> Target:
    """`user@host:port` of one jump host, as `ProxyJump` writes it."""
    user, _at, place = hop.strip().rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]") or not port.isdigit():
        host, port = place, ""
    return Target(
        _("jump host {host}").format(host=place),
        host.strip("[]"),
        int(port) if port else None,
        user or None,
        chain,
    )
