"""Bring one file to a node over SFTP: resumed where it was cut, and only under its name once its checksum
agrees.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import asyncssh

from backend.fleet.free_space_client import not_written
from backend.fleet.ssh_client import SshTransport
from backend.fleet.ssh_errors_client import lost
from backend.fleet.upload_plan_files import Item
from backend.inventory import Node
from backend.problems import InputError, NodeError, NodeUnreachableError, Problem, Severity
from backend.translation import _

BLOCK = 1 << 15  # what every SFTP server takes in one piece
_IN_FLIGHT = 64
_SLOWEST_HASH = 30e6  # bytes a second that a node reads at least
# a full disk is the first of these to OpenSSH, which speaks version 3 of SFTP
_NO_ROOM = (asyncssh.FX_FAILURE, asyncssh.FX_NO_SPACE_ON_FILESYSTEM, asyncssh.FX_QUOTA_EXCEEDED)
PATIENCE_S = 120.0
_LAST_WORDS_S = 10.0

Moved = Callable[[int], None]

_PART = """
set -eu
umask 022
mkdir -p "$(dirname "$1")"
[ -f "$1" ] || : >"$1"
printf 'npudeck-part %s %s\\n' "$(wc -c <"$1" | tr -d ' ')" "$(sha256sum <"$1" | cut -d' ' -f1)"
"""
_TAKE = """
set -eu
[ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ] || { rm -f "$1"; echo "npudeck-take bad"; exit 0; }
chmod 644 "$1"
sync "$1" 2>/dev/null || :
mv -T "$1" "$3"
echo "npudeck-take good"
"""


async def upload(transport: SshTransport, node: Node, item: Item, target: str, moved: Moved) -> int:
    """Make `target` on the node the same file as the item's; `moved` hears of bytes, also of those found
    there.

    A link that breaks is waited for up to two minutes without progress, then it goes on where it was;
    another call does so too. Answers how many bytes went over the wire. Raises `NodeError`; `InputError`
    when the source cannot be read or changes meanwhile.
    """
    path = PurePosixPath(target)
    # by the node's name: two nodes that share the folder unknown to us must not write into one file
    part = str(path.with_name(f".{path.name}.npudeck-part-{node.name}"))
    sending = _Sending(transport, node, item, part, moved)
    digest = await sending.to_the_end()
    argv = ["sh", "-c", _TAKE, "sh", part, digest, target]
    answer = await transport.run(node, argv, timeout_s=60 + item.size / _SLOWEST_HASH)
    if not answer.ok:
        raise await _refusal(transport, node, target, answer.complaint(), 0)
    if "npudeck-take good" not in answer.text():
        raise _refused(node, target, _("what arrived has another checksum"))
    return sending.sent


class _Sending:
    """`sent`: bytes over the wire. What `moved` has heard of is not told again by a second attempt."""

    def __init__(self, transport: SshTransport, node: Node, item: Item, part: str, moved: Moved) -> None:
        self._transport = transport
        self._node = node
        self._item = item
        self._part = part
        self._moved = moved
        self._counted = 0
        self.sent = 0

    async def to_the_end(self) -> str:
        """The checksum of the source, all of which is in the part now."""
        now = asyncio.get_running_loop().time
        counted, quiet_since = 0, now()
        while True:
            try:
                return await self._attempt()
            except NodeUnreachableError:
                if self._counted > counted:
                    counted, quiet_since = self._counted, now()
                if now() - quiet_since > PATIENCE_S:
                    raise
                await asyncio.sleep(1.0)

    async def _attempt(self) -> str:
        # before anything is made there: a node that takes no files keeps no empty part of one
        sftp = await self._transport.sftp(self._node)
        try:
            return await self._through(sftp)
        finally:
            sftp.exit()

    async def _through(self, sftp: asyncssh.SFTPClient) -> str:
        there, sum_there = await _part_there(self._transport, self._node, self._part, self._item.size)
        digest, offset = hashlib.sha256(), 0
        with _opened(self._item.source) as file:
            if there and await asyncio.to_thread(_advance, file, there, digest) == sum_there:
                offset = there
            else:
                file.seek(0)
                digest = hashlib.sha256()
            self._count(offset)
            try:
                flags = asyncssh.FXF_WRITE | (0 if offset else asyncssh.FXF_TRUNC)
                async with await sftp.open(self._part, flags, encoding=None) as remote:
                    await self._stream(file, remote, offset, digest)
            except (OSError, asyncssh.Error) as error:
                raise await self._broken(error, self._item.size - self._counted) from error
            if file.tell() != self._item.size:
                raise InputError.because(_("{path} changes while it is sent").format(path=self._item.source))
        return digest.hexdigest()

    async def _stream(
        self, file: BinaryIO, remote: asyncssh.SFTPClientFile, offset: int, digest: hashlib._Hash
    ) -> None:
        """Blocks in order, many on the way at once: what is there after a cut is a beginning without
        holes.
        """
        waiting: deque[tuple[asyncio.Task[int], int]] = deque()

        async def settle() -> None:
            task, end = waiting.popleft()
            self.sent += await task
            self._count(end)

        try:
            while block := _read(file, BLOCK):
                digest.update(block)
                waiting.append((asyncio.ensure_future(remote.write(block, offset)), offset + len(block)))
                offset += len(block)
                if len(waiting) >= _IN_FLIGHT:
                    await settle()
            while waiting:
                await settle()
        except asyncssh.SFTPError:
            # a full disk: the refusals of all blocks are under way; unheard, each would become a traceback
            if waiting:
                await asyncio.wait([task for task, _end in waiting], timeout=_LAST_WORDS_S)
            raise
        finally:
            for task, _end in waiting:
                task.cancel()
            await asyncio.gather(*(task for task, _end in waiting), return_exceptions=True)

    async def _broken(self, error: Exception, missing: int) -> NodeError:
        """A link that broke is one thing, a full disk another."""
        if not isinstance(error, asyncssh.SFTPError) or isinstance(
            error, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection
        ):
            return lost(self._node.name, _("the link was lost: {error}").format(error=error))
        if error.code in _NO_ROOM:
            return await not_written(self._transport, self._node, self._part, error.reason, missing)
        return _refused(self._node, self._part, error.reason)

    def _count(self, reached: int) -> None:
        if reached > self._counted:
            self._moved(reached - self._counted)
            self._counted = reached


async def _part_there(transport: SshTransport, node: Node, part: str, size: int) -> tuple[int, str]:
    """Size and checksum of what an earlier attempt left; an empty file where there was none."""
    done = await transport.run(node, ["sh", "-c", _PART, "sh", part], timeout_s=60 + size / _SLOWEST_HASH)
    words = next((line.split() for line in done.text().splitlines() if line.startswith("npudeck-part ")), [])
    if not done.ok or len(words) != 3 or not words[1].isdecimal():
        raise await _refusal(transport, node, part, done.complaint(), size)
    return int(words[1]), words[2]


def _advance(file: BinaryIO, count: int, digest: hashlib._Hash) -> str:
    """Read past the first `count` bytes; their checksum."""
    left = count
    while left and (block := _read(file, min(left, 1 << 20))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()


def _opened(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except OSError as error:
        raise _unreadable(source, error) from error


def _read(file: BinaryIO, count: int) -> bytes:
    """A disk of ours that fails is no link that is lost."""
    try:
        return file.read(count)
    except OSError as error:
        raise _unreadable(file.name, error) from error


def _unreadable(path: object, error: OSError) -> InputError:
    what = _("{path} cannot be read: {error}").format(path=path, error=error.strerror)
    return InputError.because(what, field="source")


async def _refusal(transport: SshTransport, node: Node, path: str, why: str, missing: int) -> NodeError:
    if "No space left" in why:
        return await not_written(transport, node, path, why, missing)
    return _refused(node, path, why)


def _refused(node: Node, path: str, why: str) -> NodeError:
    what = _("{path} cannot be written: {why}").format(path=path, why=why)
    fix = _("see that the folder exists, has room and belongs to the user who logs in")
    return NodeError(Problem(node.name, Severity.ERROR, what, "", fix))
