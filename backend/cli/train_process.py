"""One process of a local training: what it prints as it comes, and its orderly end."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Iterator
from types import FrameType

import psutil

from backend.engines.stages import NodeCommand
from backend.node.train.lifeline import end_with_parent

RANK_TASK = "train-rank"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_S = 0.2
_PIECE = 65_536

Take = Callable[[bytes], None]


class StopRequests:
    """`first`: the signal that asked first, 0 while nobody did; `count`: how often somebody has asked."""

    def __init__(self) -> None:
        self.first = 0
        self.count = 0

    def ask(self, number: int, _frame: FrameType | None = None) -> None:
        self.first = self.first or number
        self.count += 1

    @property
    def exit_code(self) -> int:
        """As a shell shows it: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.first


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """While it is open Ctrl-C, SIGTERM and SIGHUP only ask. One that is ignored (nohup) stays so."""
    asked = StopRequests()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, asked.ask)
    try:
        yield asked
    finally:
        for number in taken:
            signal.signal(number, before[number])


def run_process(
    command: NodeCommand, on_out: Take, on_err: Take, requests: StopRequests, on_request: Callable[[], None]
) -> int:
    """Run it to its end; answers its exit code, or minus the signal that ended it.

    The first request asks it to end, and its ranks where it has some: they save. The second kills all of it,
    as does an error here: one that wrote on without us would be in the way of the next call.
    """
    process = subprocess.Popen(
        command.argv,
        env={**os.environ, **dict(command.environment)},
        cwd=command.working_directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # a terminal's Ctrl-C would reach every process at once, and some of them twice
        start_new_session=True,
        # when we are killed nothing may go on where the next call will work; safe with one thread
        preexec_fn=end_with_parent,
    )
    heard = 0
    with process, _streams(process, on_out, on_err) as streams:
        try:
            while streams.get_map():
                _pass_on(streams)
                if requests.count > heard:
                    heard += 1
                    on_request()
                    _ask(process) if heard == 1 else _kill(process)
        except BaseException:
            _kill(process)
            raise
        return process.wait()


@contextlib.contextmanager
def _streams(
    process: subprocess.Popen[bytes], on_out: Take, on_err: Take
) -> Iterator[selectors.BaseSelector]:
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as streams:
        streams.register(process.stdout, selectors.EVENT_READ, on_out)
        streams.register(process.stderr, selectors.EVENT_READ, on_err)
        yield streams


def _pass_on(streams: selectors.BaseSelector) -> None:
    for key, _events in streams.select(_POLL_S):
        data = os.read(key.fd, _PIECE)
        if data:
            key.data(data)
        else:
            streams.unregister(key.fileobj)


def _ask(process: subprocess.Popen[bytes]) -> None:
    """To the ranks themselves: torchrun would kill them half a minute after it was asked."""
    ranks = _ranks(process)
    for rank in ranks:
        with contextlib.suppress(psutil.Error):
            rank.terminate()
    if not ranks:
        process.terminate()


def _kill(process: subprocess.Popen[bytes]) -> None:
    children = _children(process)
    # first who would tell of the ranks' end at length
    process.kill()
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()


def _ranks(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found = []
    for child in _children(process):
        with contextlib.suppress(psutil.Error):
            if RANK_TASK in child.cmdline():
                found.append(child)
    return found


def _children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []
    return children
