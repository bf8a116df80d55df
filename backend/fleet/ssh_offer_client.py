"""What a host shows before anybody logs in, and what is known of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncssh

from backend.fleet.ssh_login_client import (
    RememberingClient,
    Target,
    Via,
    connect_keywords,
    connect_on,
    jump_of,
    known_hosts_files,
    patiently,
    read_known_hosts,
    way,
)
from backend.inventory import SshOptions
from backend.problems import HostKeyError, NodeUnreachableError


@dataclass(frozen=True, slots=True)
class KnownHost:
    """`name` as known_hosts writes it ("[10.0.0.1]:2222"); `files`: the first is where new keys belong."""

    name: str
    jump: str
    files: tuple[str, ...]
    keys: tuple[asyncssh.SSHKey, ...]
    revoked: tuple[asyncssh.SSHKey, ...]
    certified: bool


async def known_host(target: Target, ssh: SshOptions) -> KnownHost:
    """From the SSH config and the known_hosts files of this machine. Raises `NodeError` as `login` does."""

    async def look() -> KnownHost:
        options = await asyncssh.SSHClientConnectionOptions.construct(**_without_keys(target, ssh))
        files = known_hosts_files(ssh, options)
        known = await asyncio.get_running_loop().run_in_executor(None, read_known_hosts, files)
        host, port = options.host_key_alias or options.host, options.port
        matched = known.match(host, "", None if port == 22 else port)
        name = host if port == 22 else f"[{host}]:{port}"
        # asyncssh forgets what is revoked for [host]:port where nothing else is known for it
        revoked = [*matched[2], *known.match(name, "", None)[2]]
        return KnownHost(
            name,
            jump_of(target, options),
            files,
            tuple(matched[0]),
            tuple(revoked),
            bool(matched[1]),
        )

    return await patiently(target, ssh, look)


async def offered_key(
    target: Target, ssh: SshOptions, via: Via, kinds: tuple[str, ...]
) -> asyncssh.SSHKey | None:
    """The host key of one of these kinds, first choice first.

    The connection ends as soon as the key is seen: no login is tried. Raises as `login` does.
    """

    async def look() -> asyncssh.SSHKey | None:
        keywords = _without_keys(target, ssh)
        options = await asyncssh.SSHClientConnectionOptions.construct(**keywords)
        seen = RememberingClient()
        keywords |= {
            # nobody is known, so the key is always shown to `seen`, which refuses it
            "known_hosts": asyncssh.import_known_hosts(""),
            "client_factory": lambda: seen,
            "server_host_key_algs": list(kinds),
        }
        try:
            connection = await connect_on(await way(target, ssh, options, via), keywords)
            connection.abort()
        except asyncssh.HostKeyNotVerifiable:
            return seen.offered
        return None

    return await patiently(target, ssh, look)


async def offered_of(
    target: Target, ssh: SshOptions, via: Via, kinds: tuple[str, ...]
) -> asyncssh.SSHKey | None:
    """As `offered_key`; None where the host has none of these kinds, which is how OpenSSH hangs up then."""
    # `offered_key` has tried twice before it gives up: a server that is merely busy answers one of them
    try:
        return await offered_key(target, ssh, via, kinds)
    except NodeUnreachableError as error:
        if isinstance(error.__cause__, asyncssh.DisconnectError | ConnectionResetError):
            return None
        raise
    except HostKeyError:
        return None


def _without_keys(target: Target, ssh: SshOptions) -> dict[str, object]:
    return connect_keywords(target, ssh) | {"client_keys": None, "agent_path": None}
