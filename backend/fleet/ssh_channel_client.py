"""One running remote command as a `Channel`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncssh

from backend.fleet.ssh_errors_client import lost
from backend.translation import _

_COMPLAINT_BYTES = 4096


class SshChannel:
    """`release` is called once, when the channel is closed, to give its place to another."""

    def __init__(
        self, label: str, process: asyncssh.SSHClientProcess[bytes], release: Callable[[], None]
    ) -> None:
        self._label = label
        self._process = process
        self._release: Callable[[], None] | None = release
        self._complaint = b""
        # nobody else reads stderr, and a full window would stop the command
        self._drain = asyncio.create_task(self._keep_complaint())

    async def readline(self) -> bytes:
        try:
            return await self._process.stdout.readline()
        except (OSError, asyncssh.Error) as error:
            raise lost(self._label, _("the link was lost: {error}").format(error=error)) from error

    async def readexactly(self, count: int) -> bytes:
        try:
            return await self._process.stdout.readexactly(count)
        except (OSError, EOFError, asyncssh.Error) as error:
            last = self._complaint.decode("utf-8", "replace").strip().splitlines()
            said = last[-1] if last else str(error)
            raise lost(self._label, _("the stream ended early: {said}").format(said=said)) from error

    async def write(self, data: bytes) -> None:
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (OSError, asyncssh.Error) as error:
            raise lost(self._label, _("the link was lost: {error}").format(error=error)) from error

    async def close(self) -> None:
        release, self._release = self._release, None
        if release is None:
            return
        self._drain.cancel()
        self._process.close()
        release()
        try:
            async with asyncio.timeout(1):
                await self._process.wait_closed()
        except TimeoutError:
            self._process.channel.abort()

    async def _keep_complaint(self) -> None:
        try:
            while data := await self._process.stderr.read(_COMPLAINT_BYTES):
                self._complaint = (self._complaint + data)[-_COMPLAINT_BYTES:]
        except (OSError, asyncssh.Error):
            return
