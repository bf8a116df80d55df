"""Where host names lead, looked up in threads that nothing waits for.

The event loop's own threads are few: a lookup that hangs there holds up those of other nodes, the reading of
known_hosts, and the end of the program.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Address = tuple[int, int, int, str, Any]  # as socket.getaddrinfo answers
Lookup = Callable[..., list[Any]]

# a name service that left so many lookups without an answer, and gave none since, is taken for dead: where
# it lives it answers within milliseconds
_SILENT = 16
_SHORT_S = 1.0


class NameLookups:
    """Lookups of one process. A name that is being looked up is not asked for a second time."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._under_way: dict[tuple[str, int, int], Future[list[Address]]] = {}
        self._unanswered = 0

    async def addresses(self, host: str, port: int, family: int, limit_s: float) -> list[Address]:
        """Of a TCP server. Raises `socket.gaierror`; EAI_AGAIN where the name service does not answer."""
        if _is_address(host):
            return self._lookup(host, port, family, socket.SOCK_STREAM)
        try:
            found = await self._answer(self._started(host, port, family), limit_s)
        except socket.gaierror as error:
            # that a name is not known is an answer
            self._unanswered = self._unanswered + 1 if error.errno == socket.EAI_AGAIN else 0
            raise
        self._unanswered = 0
        return found

    async def _answer(self, lookup: Future[list[Address]], limit_s: float) -> list[Address]:
        under_way = asyncio.wrap_future(lookup)
        waited_s = 0.0
        try:
            # in steps, for a service may be found dead by others meanwhile
            while not under_way.done() and waited_s < self._patience(limit_s):
                step_s = min(_SHORT_S, limit_s - waited_s)
                await asyncio.wait([under_way], timeout=step_s)
                waited_s += step_s
            if not under_way.done():
                raise socket.gaierror(socket.EAI_AGAIN, "no answer")
            return under_way.result()
        finally:
            # its thread may outlive the event loop
            under_way.cancel()

    def _patience(self, limit_s: float) -> float:
        return limit_s if self._unanswered < _SILENT else min(limit_s, _SHORT_S)

    def _started(self, host: str, port: int, family: int) -> Future[list[Address]]:
        key = (host, port, family)
        if (there := self._under_way.get(key)) is not None:
            return there
        future: Future[list[Address]] = Future()
        # who gives up waiting does not end it for the others
        future.set_running_or_notify_cancel()
        self._under_way[key] = future
        threading.Thread(target=self._work, args=(key, future), daemon=True, name="name-lookup").start()
        return future

    def _work(self, key: tuple[str, int, int], future: Future[list[Address]]) -> None:
        host, port, family = key
        try:
            found = self._lookup(host, port, family, socket.SOCK_STREAM)
        except Exception as error:
            self._under_way.pop(key, None)
            future.set_exception(error)
        else:
            self._under_way.pop(key, None)
            future.set_result(found)


_LOOKUPS = NameLookups()


async def connected(
    host: str, port: int, family: int, lookup_limit_s: float, lookups: NameLookups = _LOOKUPS
) -> socket.socket:
    """A socket connected to the first address of `host` that takes a connection.

    Raises `socket.gaierror` as `NameLookups.addresses`, OSError of the first address when none does.
    """
    failed: list[OSError] = []
    for kind_of_address, kind, protocol, _name, address in await lookups.addresses(
        host, port, family, lookup_limit_s
    ):
        try:
            return await _connect(socket.socket(kind_of_address, kind, protocol), address)
        except OSError as error:
            failed.append(error)
    raise failed[0]


async def _connect(sock: socket.socket, address: Any) -> socket.socket:
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
