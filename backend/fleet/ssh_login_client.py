"""Open one SSH connection the strict way: known host keys only, and a refusal said in words.

asyncssh checks no host keys when `known_hosts` is None, which a config that says `UserKnownHostsFile none`
brings about; the files are therefore read here and always handed over.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from backend.fleet.name_lookup_client import connected
from backend.fleet.ssh_errors_client import refused_key, translated
from backend.inventory import SshOptions
from backend.problems import NpudeckError

# asyncssh prefers ChaCha20, which costs it five calls of the library for each packet where this one costs one
FAST_CIPHER = "^aes128-gcm@openssh.com"
KEEPALIVE_S = 5
KEEPALIVE_COUNT = 3
_LOOKUP_SHARE = 0.9
DEFAULT_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")

# asyncssh speaks through logging; without a handler Python would print its warnings on stderr
logging.getLogger("asyncssh").addHandler(logging.NullHandler())

T = TypeVar("T")
Via = Callable[[str], Awaitable[asyncssh.SSHClientConnection | None]]


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to log in to. `label` is what messages call it: the node's name, or the jump host."""

    label: str
    host: str
    port: int | None = None
    user: str | None = None
    jump: str | None = None


class RememberingClient(asyncssh.SSHClient):
    """Remembers the key that was offered and not known, so that the message can show it."""

    def __init__(self) -> None:
        self.offered: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = key
        return False


async def login(target: Target, ssh: SshOptions, via: Via) -> asyncssh.SSHClientConnection:
    """A live connection. `via` opens (or shares) the connection to a jump host; None: there is to be none.

    One retry after a pause of chance length when the other side hangs up before authentication, as sshd does
    beyond MaxStartups. Raises `NodeUnreachableError`, `HostKeyError` or `NodeError`; ends within the connect
    timeout of `ssh`.
    """
    return await patiently(target, ssh, lambda: _attempt(target, ssh, via))


async def patiently(target: Target, ssh: SshOptions, attempt: Callable[[], Awaitable[T]]) -> T:
    """`attempt`, with the retry, the deadline and the errors of `login`."""
    try:
        async with asyncio.timeout(ssh.connect_timeout_s):
            try:
                return await attempt()
            except (ConnectionResetError, asyncssh.ConnectionLost):
                await asyncio.sleep(random.uniform(0.1, 1.0))  # noqa: S311 -- spreads logins, guards nothing
                return await attempt()
    except NpudeckError:
        raise
    except (OSError, TimeoutError, ValueError, asyncssh.Error, asyncssh.ConfigParseError) as error:
        raise translated(error, target.label, _place(target, ssh), ssh.connect_timeout_s) from error


async def _attempt(target: Target, ssh: SshOptions, via: Via) -> asyncssh.SSHClientConnection:
    keywords = connect_keywords(target, ssh)
    options = await asyncssh.SSHClientConnectionOptions.construct(**keywords)
    files = known_hosts_files(ssh, options)
    known = await asyncio.get_running_loop().run_in_executor(None, read_known_hosts, files)
    clients: list[RememberingClient] = []

    def factory() -> RememberingClient:
        clients.append(RememberingClient())
        return clients[-1]

    keywords |= {"known_hosts": known, "client_factory": factory}
    if not options.config.get("Ciphers"):
        keywords["encryption_algs"] = FAST_CIPHER
    try:
        return await connect_on(await way(target, ssh, options, via), keywords)
    except asyncssh.HostKeyNotVerifiable as error:
        offered = clients[-1].offered if clients else None
        name = options.host_key_alias or options.host
        raise refused_key(target.label, name, options.port, offered, known, files, error) from error
    except asyncssh.PermissionDenied as error:
        place = f"{options.username}@{options.host}:{options.port}"
        raise translated(
            error, target.label, place, ssh.connect_timeout_s, _keys_tried(ssh, options)
        ) from error


Way = asyncssh.SSHClientConnection | socket.socket | None


async def way(target: Target, ssh: SshOptions, options: asyncssh.SSHClientConnectionOptions, via: Via) -> Way:
    """The connection to the jump host, where there is one, else a socket that is connected; None where
    the SSH config says how, in ways that are left to asyncssh.
    """
    jump = jump_of(target, options)
    tunnel = await via(jump) if jump else None
    bound: Any = options.local_addr
    special = options.proxy_command or bound or options.canonicalize_hostname
    if tunnel is not None or special or options.config.has_match_final():
        return tunnel
    # a name that takes longer leaves no time for the login
    limit_s = _LOOKUP_SHARE * ssh.connect_timeout_s
    return await connected(options.host, options.port, options.family, limit_s)


async def connect_on(found: Way, keywords: dict[str, Any]) -> asyncssh.SSHClientConnection:
    """`asyncssh.connect` on what `way` answers; a socket does not outlive a login that fails."""
    if not isinstance(found, socket.socket):
        return await asyncssh.connect(**keywords, tunnel=found)
    try:
        return await asyncssh.connect(**keywords, tunnel=None, sock=found)
    except BaseException:
        found.close()
        raise


def jump_of(target: Target, options: asyncssh.SSHClientConnectionOptions) -> str:
    """`host`, or a chain `a,b`; "" where the way is direct."""
    jump = str(target.jump or options.tunnel or "")
    return "" if jump.lower() == "none" else jump


def connect_keywords(target: Target, ssh: SshOptions) -> dict[str, Any]:
    """What is said explicitly; everything else is left to the user's OpenSSH config."""
    keywords: dict[str, Any] = {
        "host": target.host,
        "keepalive_interval": KEEPALIVE_S,
        "keepalive_count_max": KEEPALIVE_COUNT,
        "connect_timeout": None,  # the caller's deadline covers all of it
    }
    if ssh.config is not None:
        keywords["config"] = None if ssh.config == "none" else [ssh.config]
    if (port := target.port or ssh.port) is not None:
        keywords["port"] = port
    if (user := target.user or ssh.user) is not None:
        keywords["username"] = user
    if ssh.identity_files:
        keywords["client_keys"] = list(ssh.identity_files)
    return keywords


def known_hosts_files(ssh: SshOptions, options: asyncssh.SSHClientConnectionOptions) -> tuple[str, ...]:
    """Where keys are looked for; the first is where new ones belong."""
    if ssh.known_hosts:
        return (ssh.known_hosts,)
    configured = options.known_hosts
    names = configured if isinstance(configured, list) and configured else DEFAULT_KNOWN_HOSTS
    return tuple(str(Path(str(name)).expanduser()) for name in names)


def read_known_hosts(files: tuple[str, ...]) -> asyncssh.SSHKnownHosts:
    """A file that is not there knows nobody; it is no reason to trust anybody."""
    there = [(name, _mark(name)) for name in files]
    return _parsed_known_hosts(tuple((name, mark) for name, mark in there if mark is not None))


@lru_cache(maxsize=4)
def _parsed_known_hosts(files: tuple[tuple[str, tuple[int, ...]], ...]) -> asyncssh.SSHKnownHosts:
    # once for a whole fleet, and again when a file changes: 256 times it would cost as much as the logins
    known = asyncssh.import_known_hosts("")
    for name in dict(files):
        try:
            # a comment may be in any encoding
            known.load(Path(name).read_bytes().decode("utf-8", "surrogateescape"))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return known


def _mark(name: str) -> tuple[int, ...] | None:
    """What differs when a file has been written since; None where there is none."""
    path = Path(name)
    if not path.is_file():
        return None
    found = path.stat()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _keys_tried(ssh: SshOptions, options: asyncssh.SSHClientConnectionOptions) -> str:
    configured = options.config.get("IdentityFile", ())
    names = [*(ssh.identity_files or (configured if isinstance(configured, list) else ()))]
    if not names:
        names = [key.get_comment() or key.algorithm.decode() for key in options.client_keys or ()]
    if options.agent_path:
        names.append("ssh-agent")
    return ", ".join(str(name) for name in names)


def _place(target: Target, ssh: SshOptions) -> str:
    port = target.port or ssh.port
    return f"{target.host}:{port}" if port else target.host
