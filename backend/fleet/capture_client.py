"""Run any command on a node, whatever it may print, and keep a bounded part of it."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from asyncio import FIRST_EXCEPTION
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import asyncssh

from backend.fleet.guarded_command import AfterMark, guarded, timed_out
from backend.fleet.kept_output import KeptOutput, Output
from backend.fleet.login_shell_client import no_commands, no_commands_inside
from backend.fleet.ssh_client import SshTransport
from backend.fleet.ssh_errors_client import lost
from backend.inventory import Container, Node
from backend.problems import NodeError
from backend.translation import _

Ended = Literal["exit", "timeout", "flood"]
_GRACE_S = 6.0
_SILENT_S = 2.0  # of a slow link is not the end of what it carries
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Captured:
    """`exit_code` is 128 + N for signal N; it means nothing unless `ended` is "exit".

    "timeout": it was ended because it took too long; "flood": because it printed more than anybody reads.
    `noise`: what the login shell printed before the command ran. `is_open`: what the command left behind has
    its output still, and may print more.
    """

    ended: Ended
    exit_code: int
    stdout: Output
    stderr: Output
    noise: bytes
    took_s: float
    is_open: bool = False


async def capture(
    transport: SshTransport,
    node: Node,
    argv: Sequence[str],
    *,
    timeout_s: float,
    keep_bytes: int = 1 << 18,
    most_bytes: int = 64 << 20,
    container: Container | None = None,
) -> Captured:
    """Run to the end, to the time limit, or until it has printed `most_bytes`.

    Raises `NodeUnreachableError` and `HostKeyError` as the transport does, `NodeError` when the login shell
    does not run the command at all.
    """
    mark = f"npudeck-{secrets.token_hex(12)}"
    process = await transport.process(
        node, guarded(argv, mark, timeout_s), timeout_s=timeout_s, container=container
    )
    reading = _Reading(process, mark, keep_bytes, most_bytes)
    began = time.monotonic()
    try:
        async with asyncio.timeout(timeout_s + _GRACE_S):
            await reading.to_the_end()
            if process.returncode is None:
                await process.wait(check=False)
    except TimeoutError:
        return reading.captured("timeout", -1, time.monotonic() - began)
    except _FloodError:
        return reading.captured("flood", -1, time.monotonic() - began)
    except (OSError, asyncssh.Error) as error:
        raise lost(node.name, _("the link was lost: {error}").format(error=error)) from error
    finally:
        # the end of stdin is what ends the command there
        process.close()
    took_s = time.monotonic() - began
    exit_code = process.returncode
    if exit_code is None:
        raise lost(node.name, _("the link was lost before the command ended"))
    if not reading.begun:
        raise _no_command(node, reading, exit_code, container)
    late = timed_out(exit_code, took_s, timeout_s)
    return reading.captured("timeout" if late else "exit", exit_code, took_s)


class _FloodError(Exception):
    """More output than is sane."""


class _Reading:
    """Both streams of a command as they come in."""

    def __init__(
        self, process: asyncssh.SSHClientProcess[bytes], mark: str, keep_bytes: int, most_bytes: int
    ) -> None:
        self._process = process
        self._streams = (process.stdout, process.stderr)
        self._silent_since = math.inf
        self._is_open = False
        self._kept = (KeptOutput(keep_bytes), KeptOutput(keep_bytes))
        self._marks = (AfterMark(mark), AfterMark(mark))
        self._most_bytes = most_bytes

    @property
    def begun(self) -> bool:
        return self._marks[0].begun

    @property
    def noise(self) -> bytes:
        return self._marks[0].noise + self._marks[1].noise

    async def to_the_end(self) -> None:
        """Of both streams, or until the command has ended and what it left behind, which has them still, is
        silent. Raises `_FloodError`.
        """
        readers = {asyncio.ensure_future(self._read(number)) for number in (0, 1)}
        try:
            waiting = readers
            while waiting and not self._is_left():
                done, waiting = await asyncio.wait(waiting, timeout=_LOOK_S, return_when=FIRST_EXCEPTION)
                for reader in done:
                    reader.result()
            self._is_open = bool(waiting)
        finally:
            for reader in readers:
                reader.cancel()

    def _is_left(self) -> bool:
        if self._process.returncode is None:
            return False
        # what it printed may arrive after its exit code
        self._silent_since = min(self._silent_since, time.monotonic())
        return time.monotonic() - self._silent_since > _SILENT_S

    async def _read(self, number: int) -> None:
        while data := await self._streams[number].read(1 << 16):
            self._silent_since = math.inf
            try:
                self._kept[number].add(self._marks[number].take(data))
            except ValueError as error:
                raise _FloodError from error
            if sum(kept.size for kept in self._kept) > self._most_bytes:
                raise _FloodError

    def captured(self, ended: Ended, exit_code: int, took_s: float) -> Captured:
        stdout, stderr = (kept.output() for kept in self._kept)
        return Captured(ended, exit_code, stdout, stderr, self.noise, took_s, self._is_open)


def _no_command(node: Node, reading: _Reading, exit_code: int, container: Container | None) -> NodeError:
    if container is None:
        return no_commands(node, reading.noise, exit_code)
    return no_commands_inside(node, container, reading.noise, exit_code)
