"""One persistent SSH connection: opened when first needed, shared by all callers, reopened after a loss."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncssh

Open = Callable[[], Awaitable[asyncssh.SSHClientConnection]]

HELD_CHANNELS = 5
SHORT_CHANNELS = 3


class SshLink:
    """sshd allows ten sessions a connection (MaxSessions); eight are used.

    Channels that stay (`held`) and short commands (`short`) have places of their own, so that a health query
    never waits for a log tail to end.
    """

    def __init__(self, open_connection: Open) -> None:
        self._open = open_connection
        self._attempt: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self.held = asyncio.Semaphore(HELD_CHANNELS)
        self.short = asyncio.Semaphore(SHORT_CHANNELS)

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The live connection. A caller that gives up does not end the attempt that others wait for."""
        if self._attempt is None or _spent(self._attempt):
            self._attempt = asyncio.ensure_future(self._open())
            self._attempt.add_done_callback(_notice)
        return await asyncio.shield(self._attempt)

    async def close(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        if not attempt.done():
            attempt.cancel()
            await asyncio.wait([attempt])
        if attempt.cancelled() or attempt.exception() is not None:
            return
        connection = attempt.result()
        connection.close()
        try:
            async with asyncio.timeout(1):
                await connection.wait_closed()
        except TimeoutError:
            connection.abort()


def _spent(attempt: asyncio.Task[asyncssh.SSHClientConnection]) -> bool:
    if not attempt.done():
        return False
    return attempt.cancelled() or attempt.exception() is not None or attempt.result().is_closed()


def _notice(attempt: asyncio.Future[asyncssh.SSHClientConnection]) -> None:
    """Every caller may have gone; the loop shall not complain about an exception that nobody fetched."""
    if not attempt.cancelled():
        attempt.exception()
