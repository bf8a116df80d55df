"""The real transport: SSH by asyncssh, one connection a node and one a jump host."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import asyncssh
from asyncssh.constants import OPEN_CONNECT_FAILED

from backend.fleet.containers import in_container
from backend.fleet.ssh_channel_client import SshChannel
from backend.fleet.ssh_errors_client import lost
from backend.fleet.ssh_jumps_client import SshJumps
from backend.fleet.ssh_link_client import SshLink
from backend.fleet.ssh_login_client import Target, login
from backend.fleet.transport import Channel, Completed
from backend.inventory import Container, Node, SshOptions
from backend.problems import NodeError, Problem, Severity
from backend.translation import _

MAX_OUTPUT_BYTES = 64 << 20  # of a command that runs to its end; a node may be broken, or somebody else's


class SshTransport:
    """`Transport` over asyncssh; see there for what the calls promise.

    At most `max_connecting` logins are under way at once (256 nodes at the same instant would otherwise time
    out on the bastion's own CPU).
    """

    def __init__(self, ssh: SshOptions, *, max_connecting: int = 64) -> None:
        self._ssh = ssh
        self._connecting = asyncio.Semaphore(max_connecting)
        self._links: dict[Target, SshLink] = {}
        self._jumps = SshJumps(ssh)
        self._closed = False

    async def run(
        self, node: Node, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 15.0
    ) -> Completed:
        """Run to the end. Raises `NodeUnreachableError` past the deadline or when the link breaks."""
        link = self._link(node)
        try:
            async with asyncio.timeout(timeout_s), link.short:
                process = await self._start(link, node, argv)
                try:
                    return await _finish(process, node, stdin)
                finally:
                    process.close()
        except TimeoutError as error:
            raise _late(node, timeout_s) from error

    async def open(self, node: Node, argv: Sequence[str], *, timeout_s: float = 15.0) -> Channel:
        """Start a command that stays. The deadline is for its start."""
        link = self._link(node)
        try:
            async with asyncio.timeout(timeout_s):
                await link.held.acquire()
                try:
                    process = await self._start(link, node, argv)
                except BaseException:
                    link.held.release()
                    raise
        except TimeoutError as error:
            raise _late(node, timeout_s) from error
        return SshChannel(node.name, process, link.held.release)

    async def process(
        self, node: Node, argv: Sequence[str], *, timeout_s: float, container: Container | None = None
    ) -> asyncssh.SSHClientProcess[bytes]:
        """Start a command whose streams the caller reads and whose end the caller sees to.

        It takes no place among the short commands: a fleet's worth of them is one a node. The deadline is for
        its start.
        """
        if container is not None:
            argv = in_container(container, argv, interactive=True)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._start(self._link(node), node, argv)
        except TimeoutError as error:
            raise _late(node, timeout_s) from error

    async def sftp(self, node: Node, *, timeout_s: float = 30.0) -> asyncssh.SFTPClient:
        """A file transfer session, which the caller ends. The deadline is for its start."""
        try:
            async with asyncio.timeout(timeout_s):
                return await (await self._link(node).connection()).start_sftp_client()
        except TimeoutError as error:
            raise _late(node, timeout_s) from error
        except (asyncssh.ChannelOpenError, asyncssh.SFTPError) as error:
            what = _("the node takes no files over SFTP: {error}").format(error=error.reason)
            fix = _("its sshd_config needs a line such as: Subsystem sftp internal-sftp")
            raise NodeError(Problem(node.name, Severity.ERROR, what, "", fix)) from error
        except (OSError, asyncssh.Error) as error:
            raise lost(node.name, _("the link was lost: {error}").format(error=error)) from error

    async def close(self) -> None:
        """End every connection and every attempt; the transport is of no use afterwards."""
        self._closed = True
        await asyncio.gather(*(link.close() for link in self._links.values()))
        await self._jumps.close()

    def _link(self, node: Node) -> SshLink:
        if self._closed:
            raise lost(node.name, _("the connection is closed"))
        target = Target(node.name, node.host, node.port, node.user, self._ssh.proxy_jump)
        if target not in self._links:
            self._links[target] = SshLink(lambda: self._login(target))
        return self._links[target]

    async def _login(self, target: Target) -> asyncssh.SSHClientConnection:
        async with self._connecting:
            return await login(target, self._ssh, self._jumps.via)

    async def _start(
        self, link: SshLink, node: Node, argv: Sequence[str]
    ) -> asyncssh.SSHClientProcess[bytes]:
        # a name of a file may be no UTF-8: its bytes go as they came
        command = shlex.join(argv).encode("utf-8", "surrogateescape")
        try:
            return await _open_process(await link.connection(), command)
        except asyncssh.ChannelOpenError as error:
            if error.code != OPEN_CONNECT_FAILED:
                raise _refused(node, error) from error
        except (OSError, asyncssh.Error) as error:
            raise lost(node.name, _("the link was lost: {error}").format(error=error)) from error
        # the connection had died unnoticed: nothing was sent yet, so asking again cannot run anything twice
        try:
            return await _open_process(await link.connection(), command)
        except (OSError, asyncssh.Error) as error:
            raise lost(node.name, _("the link was lost: {error}").format(error=error)) from error


async def _open_process(
    connection: asyncssh.SSHClientConnection, command: bytes
) -> asyncssh.SSHClientProcess[bytes]:
    """Cancel-safe: a channel that opens after its caller has gone is closed."""
    # asyncssh packs bytes as they are, whatever it declares
    words = cast(str, command)
    opening = asyncio.ensure_future(connection.create_process(words, encoding=None, request_pty=False))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)
        raise


def _close_late(opening: asyncio.Future[asyncssh.SSHClientProcess[bytes]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def _finish(process: asyncssh.SSHClientProcess[bytes], node: Node, stdin: bytes) -> Completed:
    try:
        # a command that has ended by now was told nothing; how it ended says the rest
        with suppress(BrokenPipeError):
            if stdin:
                process.stdin.write(stdin)
            process.stdin.write_eof()
        stdout, stderr = await _both(process, node)
        done = await process.wait(check=False)
    except (OSError, asyncssh.Error) as error:
        raise lost(node.name, _("the link was lost: {error}").format(error=error)) from error
    if done.returncode is None:
        raise lost(node.name, _("the link was lost before the command ended"))
    return Completed(done.returncode, stdout, stderr)


async def _both(process: asyncssh.SSHClientProcess[bytes], node: Node) -> tuple[bytes, bytes]:
    """Everything on stdout and stderr. Raises `NodeError` for more than is sane."""
    said: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}

    async def read(name: str) -> None:
        stream = getattr(process, name)
        while data := await stream.read(1 << 16):
            said[name] += data
            if len(said["stdout"]) + len(said["stderr"]) > MAX_OUTPUT_BYTES:
                what = _("the node said more than {size} MB").format(size=MAX_OUTPUT_BYTES >> 20)
                raise NodeError(Problem(node.name, Severity.ERROR, what))

    readers = [asyncio.ensure_future(read(name)) for name in said]
    try:
        await asyncio.gather(*readers)
    finally:
        for reader in readers:
            reader.cancel()
    return bytes(said["stdout"]), bytes(said["stderr"])


def _late(node: Node, timeout_s: float) -> NodeError:
    return lost(node.name, _("no answer within {seconds:g} s").format(seconds=timeout_s))


def _refused(node: Node, error: asyncssh.ChannelOpenError) -> NodeError:
    what = _("the node refuses to run a command: {error}").format(error=error.reason)
    return NodeError(Problem(node.name, Severity.ERROR, what))
