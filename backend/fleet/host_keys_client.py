"""Ask hosts for their keys, and compare them with what is known. Nobody logs in anywhere for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import asyncssh

from backend.fleet.fan_out import as_done
from backend.fleet.host_keys import HostKey, State
from backend.fleet.ssh_jumps_client import SshJumps, jump_target
from backend.fleet.ssh_login_client import Target
from backend.fleet.ssh_offer_client import KnownHost, known_host, offered_key, offered_of
from backend.inventory import Node, SshOptions
from backend.problems import NodeError, NpudeckError
from backend.translation import _

# plain keys alone: a certificate would have to be checked against an authority that is not known yet
_PLAIN = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_OF_RSA = ("rsa-sha2-512", "rsa-sha2-256")


class HostKeys:
    """Looks at the keys of nodes and of the jump hosts on the way to them."""

    def __init__(self, ssh: SshOptions) -> None:
        self._ssh = ssh
        self._jumps = SshJumps(ssh)

    async def of_jumps(self, nodes: Sequence[Node]) -> list[HostKey]:
        """Keys of the jump hosts of these nodes, outermost first; what lies behind one only if it is
        trusted.
        """
        found: list[HostKey] = []
        for chain in dict.fromkeys([await self._jump_of(node) for node in nodes]):
            hops = chain.split(",") if chain else []
            for number, hop in enumerate(hops):
                key = await self._look(jump_target(hop, ",".join(hops[:number]) or "none"))
                if key.name not in [other.name for other in found]:
                    found.append(key)
                if key.state not in ("known", "certified"):
                    break
        return found

    async def of_nodes(
        self, nodes: Sequence[Node], told: Callable[[Collection[str]], None] = lambda _names: None
    ) -> list[HostKey]:
        """Every node's key, in their order. `told` hears who is done, as often as there is one more."""

        async def look(node: Node) -> HostKey:
            return await self._look(_target(node, self._ssh))

        keys: dict[str, HostKey] = {}
        async for node, answer in as_done(nodes, look, deadline_s=3 * self._ssh.connect_timeout_s):
            if isinstance(answer, NpudeckError):
                answer = HostKey(node.name, node.name, "unreachable", reason=answer.problems[0].sentence())
            keys[node.name] = answer
            told(keys)
        return [keys[node.name] for node in nodes]

    async def close(self) -> None:
        await self._jumps.close()

    async def _jump_of(self, node: Node) -> str:
        try:
            return (await known_host(_target(node, self._ssh), self._ssh)).jump
        except NodeError:
            return ""

    async def _look(self, target: Target) -> HostKey:
        try:
            host = await known_host(target, self._ssh)
        except NodeError as error:
            return HostKey(target.label, target.host, "unreachable", reason=error.problems[0].sentence())
        if host.certified and not host.keys:
            return HostKey(target.label, host.name, "certified", file=host.files[0])
        try:
            offered = await self._offered(target, host)
        except NodeError as error:
            return HostKey(target.label, host.name, "unreachable", reason=error.problems[0].sentence())
        if offered is None:
            return HostKey(
                target.label, host.name, "unreachable", reason=_("it shows no host key of a plain kind")
            )
        return _judged(target.label, host, offered)

    async def _offered(self, target: Target, host: KnownHost) -> asyncssh.SSHKey | None:
        """The key of a kind that is known, if the host has one of these kinds; else whichever it prefers."""
        kinds = tuple(dict.fromkeys(kind for key in host.keys for kind in _kinds(key)))
        offered = await offered_of(target, self._ssh, self._jumps.via, kinds) if kinds else None
        return offered or await offered_key(target, self._ssh, self._jumps.via, _PLAIN)


def _target(node: Node, ssh: SshOptions) -> Target:
    return Target(node.name, node.host, node.port, node.user, ssh.proxy_jump)


def _kinds(key: asyncssh.SSHKey) -> tuple[str, ...]:
    algorithm = key.get_algorithm()
    return _OF_RSA if algorithm == "ssh-rsa" else (algorithm,)


def _judged(label: str, host: KnownHost, offered: asyncssh.SSHKey) -> HostKey:
    line = f"{host.name} {' '.join(offered.export_public_key('openssh').decode().split()[:2])}"
    expected = tuple(key.get_fingerprint() for key in host.keys)
    state: State = "changed" if expected else "unknown"
    if offered in host.revoked:
        state = "revoked"
    elif offered in host.keys:
        state = "known"
    return HostKey(
        label,
        host.name,
        state,
        offered.get_algorithm(),
        offered.get_fingerprint(),
        line,
        host.files[0],
        expected,
    )
