"""One command on a demo node: a process in a group of its own, its streams carried over the SSH channel.

The streams are pumped by hand: asyncssh's `redirect` closes the channel before an exit status can be sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from typing import Any

import asyncssh

CHUNK = 65536
# what a command may take to notice that its client has gone, before it is told by signal
NOTICE_S = 5.0


async def serve_command(
    request: asyncssh.SSHServerProcess[bytes], directory: str, environment: Mapping[str, str]
) -> None:
    """Run what the client asked for and answer its exit status or signal."""
    try:
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            *(("-c", request.command) if request.command else ()),
            cwd=directory,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        request.stderr.write(f"sh: {error.strerror}\n".encode())
        request.exit(126)
        return
    await _carry(request, child)
    with contextlib.suppress(OSError, asyncssh.Error):
        _answer(request, child.returncode or 0)


async def _carry(request: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> None:
    """Until the command has ended and all its output is carried (as with sshd, a child in the background that
    keeps the pipe open keeps the channel open), or its client has gone and it has been brought to an end."""
    assert child.stdout is not None
    assert child.stderr is not None
    feeding = asyncio.create_task(_feed(request, child))
    pumping = asyncio.gather(_pump(child.stdout, request.stdout), _pump(child.stderr, request.stderr))
    ended: asyncio.Future[Any] = asyncio.gather(child.wait(), pumping)
    gone: asyncio.Future[Any] = asyncio.create_task(request.channel.wait_closed())
    try:
        await asyncio.wait({ended, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            feeding.cancel()
            await _bring_to_end(child, ended)
    finally:
        rest = (feeding, ended, gone)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


async def _feed(request: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> None:
    """The client's stdin to the command; its signals to the command's group."""
    assert child.stdin is not None
    try:
        while True:
            try:
                data = await request.stdin.read(CHUNK)
            except asyncssh.SignalReceived as received:
                _signal_group(child, received.signal)
                continue
            except (asyncssh.BreakReceived, asyncssh.TerminalSizeChanged):
                continue
            if not data:
                return
            child.stdin.write(data)
            await child.stdin.drain()
    except (OSError, asyncssh.Error):
        return
    finally:
        child.stdin.close()


async def _pump(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    """To the end of the source, also when nobody listens any more: a full pipe would hold the command up."""
    listening = True
    while data := await source.read(CHUNK):
        if not listening:
            continue
        try:
            target.write(data)
            await target.drain()
        except (OSError, asyncssh.Error):
            listening = False


async def _bring_to_end(child: asyncio.subprocess.Process, ended: asyncio.Future[Any]) -> None:
    """First the end of its input, as sshd does; then SIGHUP and SIGKILL: a demo leaves nothing behind."""
    for name in ("HUP", "KILL"):
        await asyncio.wait({ended}, timeout=NOTICE_S)
        if ended.done():
            return
        _signal_group(child, name)
    await asyncio.wait({ended}, timeout=NOTICE_S)


def _signal_group(child: asyncio.subprocess.Process, name: str) -> None:
    """The group lives on after its leader while a child of it does."""
    number = getattr(signal, f"SIG{name}", None)
    if number is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)


def _answer(request: asyncssh.SSHServerProcess[bytes], code: int) -> None:
    if code < 0:
        request.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        request.exit(code)
