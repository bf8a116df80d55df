"""Ask nodes for their health: once, or for ever and whatever happens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from backend.clock import Clock, RealClock
from backend.events import Event, Health, NodeDetailed, NodeNotReached, NodeObserved
from backend.fleet.node_code_files import read_agent
from backend.fleet.transport import Channel, Transport
from backend.inventory import Node
from backend.probes.circumstances import Circumstances
from backend.probes.node_record import NodeRecord
from backend.probes.probe_plan import (
    CODES,
    FrameHeader,
    judge_answer,
    parse_frame,
    parse_frames,
    parse_header,
    probe_argv,
)
from backend.probes.unanswered import unanswered
from backend.problems import NodeUnreachableError, NpudeckError
from backend.state.question_times import DETAILS
from backend.translation import _

BACK_OFF_CAP_S = 15.0
_NOISE_LINES = 200  # what a login script may print before the first frame

Emit = Callable[[Event], None]
Circumstanced = Callable[[float], Circumstances]  # from UTC epoch seconds


async def observe_once(
    transport: Transport, node: Node, timeout_s: float = 10.0, clock: Clock | None = None
) -> NodeObserved | NodeNotReached:
    """One question and its answer; never raises for what a node does or says. Nothing is installed on it."""
    clock = clock or RealClock()
    asked = asyncio.get_running_loop().time()
    try:
        done = await transport.run(node, probe_argv(_script(), 0, 1), timeout_s=timeout_s)
    except NpudeckError as error:
        return NodeNotReached(node.name, clock.now(), reason_of(error))
    took_ms = (asyncio.get_running_loop().time() - asked) * 1000
    frame = parse_frame(done.stdout)
    if frame is None:
        reason = _("the node answered something else: {said}").format(said=done.complaint()[:200])
        return NodeNotReached(node.name, clock.now(), reason)
    header, said = frame
    return judge_answer(node.name, clock.now(), took_ms, header.exit_code, said)


async def examine(
    transport: Transport,
    node: Node,
    timeout_s: float = 10.0,
    *,
    deep: bool = False,
    deep_timeout_s: float = 120.0,
    clock: Clock | None = None,
    circumstances: Circumstanced | None = None,
    record: NodeRecord | None = None,
) -> tuple[NodeObserved | NodeNotReached, NodeDetailed | None]:
    """One question, its answer and the judgement over it; never raises for what a node does or says.

    Cards that are not well by their row are asked for their fault codes. `deep` asks everything else too,
    which takes a node about 0.1 s for each chip and kind. `record` is what earlier rounds brought.
    """
    clock = clock or RealClock()
    answer = await observe_once(transport, node, timeout_s, clock)
    if isinstance(answer, NodeNotReached):
        return answer, None
    record = record or NodeRecord()
    around = circumstances or _nothing_special(node)
    detailed = record.judged(answer, around(clock.now()))
    if deep or any(device.health != Health.OK for device in answer.devices):
        limit_s = deep_timeout_s if deep else timeout_s
        kinds = DETAILS if deep else CODES
        frames, why = await _ask_details(transport, node, record, kinds, limit_s, clock)
        missed = dict.fromkeys(kinds, why) if why else unanswered(kinds, frames, len(answer.devices))
        detailed = replace(record.judged(answer, around(clock.now())), not_answered=missed)
    return answer, detailed


async def _ask_details(
    transport: Transport,
    node: Node,
    record: NodeRecord,
    kinds: Mapping[str, int],
    timeout_s: float,
    clock: Clock,
) -> tuple[list[tuple[FrameHeader, str]], str]:
    """Take whatever comes, and answer it; the reason why nothing came, or "".

    A node that is silent here has answered the first question: it only says less.
    """
    try:
        done = await transport.run(node, probe_argv(_script(), 0, 1, kinds), timeout_s=timeout_s)
    except NpudeckError as error:
        return [], reason_of(error)
    frames = [frame for frame in parse_frames(done.stdout) if frame[0].kind != "info"]
    for header, said in frames:
        record.take(header, said, clock.now())
    return frames, ""


def _nothing_special(node: Node) -> Circumstanced:
    """No job, no lease: the node by itself."""
    return lambda at: Circumstances(node.name, at, node.npus)


async def observe(
    transport: Transport,
    node: Node,
    interval_s: float,
    emit: Emit,
    *,
    deadline_s: float = 15.0,
    clock: Clock | None = None,
    detail: Callable[[NodeDetailed], None] | None = None,
    circumstances: Circumstanced | None = None,
    kinds: Mapping[str, int] = DETAILS,
) -> None:
    """Emit an observation about every `interval_s` seconds until cancelled.

    With `detail` the slower questions are asked in the pauses; it gets what is known and wrong, once in each.

    One command stays on the node and prints; where that does not work the node is asked anew each time. A
    node that is silent for `deadline_s` longer than it may is reported as not reached, and tried again
    after 1, 2, 4 … at most 15 s.
    """
    clock = clock or RealClock()
    details = _Details(detail, circumstances or _nothing_special(node), kinds if detail else {}, clock)
    failures = 0
    while True:
        watch = _Watch(transport, node, interval_s, deadline_s, emit, clock, details)
        try:
            await watch.follow()
        except _Ended:
            # the resident command may be what fails: the plain question decides whether the node is there
            answer = await observe_once(transport, node, deadline_s, clock)
            watch.frames += isinstance(answer, NodeObserved)
            emit(answer)
        except NpudeckError as error:
            emit(NodeNotReached(node.name, clock.now(), reason_of(error)))
        except Exception as error:
            # one node's oddity must not end the watch over it; it is shown, as unknown, with its reason
            reason = _("cannot be judged: {error}").format(error=repr(error)[:200])
            emit(NodeNotReached(node.name, clock.now(), reason))
        failures = 0 if watch.frames else failures + 1
        await asyncio.sleep(_pause(failures, interval_s))


class _Ended(NodeUnreachableError):
    """The resident command or its link has ended, as opposed to a silence."""


class _Details:
    """What the slower questions brought; it outlives the command that asks them."""

    def __init__(
        self,
        tell: Callable[[NodeDetailed], None] | None,
        circumstances: Circumstanced,
        kinds: Mapping[str, int],
        clock: Clock,
    ) -> None:
        self.kinds = kinds
        self._tell = tell
        self._circumstances = circumstances
        self._clock = clock
        self._record = NodeRecord()
        self._seen: NodeObserved | None = None

    def take(self, header: FrameHeader, said: str) -> None:
        self._record.take(header, said, self._clock.now())

    def see(self, answer: NodeObserved | NodeNotReached) -> None:
        if isinstance(answer, NodeObserved):
            self._seen = answer

    def tell(self) -> None:
        if self._tell is not None and self._seen is not None:
            self._tell(self._record.judged(self._seen, self._circumstances(self._clock.now())))


class _Watch:
    """One life of the resident command. `frames` counts what it delivered."""

    def __init__(
        self,
        transport: Transport,
        node: Node,
        interval_s: float,
        deadline_s: float,
        emit: Emit,
        clock: Clock,
        details: _Details,
    ) -> None:
        self.frames = 0
        self._details = details
        self._transport = transport
        self._node = node
        self._interval_s = interval_s
        self._deadline_s = deadline_s
        self._emit = emit
        self._clock = clock

    async def follow(self) -> None:
        """Raises `NpudeckError` when the command or the link ends; never returns otherwise."""
        argv = probe_argv(_script(), self._interval_s, 0, self._details.kinds)
        loop = asyncio.get_running_loop()
        asked = loop.time()
        channel = await self._transport.open(self._node, argv, timeout_s=self._deadline_s)
        # the first answer is due at once, a later one after the pause that is made between them
        pause = 0.0
        try:
            while True:
                header, said = await self._frame(channel, pause + self._deadline_s)
                took_ms = max(0.0, loop.time() - asked - pause) * 1000
                asked = loop.time()
                pause = self._take(header, said, took_ms)
        finally:
            await channel.close()

    def _take(self, header: FrameHeader, said: str, took_ms: float) -> float:
        """Take an answer in; returns the pause that the node makes before the next one, in seconds."""
        if header.kind == "pause":
            self._details.tell()
            # its word for it, within what it was told
            return min(header.pause_s, self._interval_s)
        if header.kind != "info":
            self._details.take(header, said)
            return 0.0
        answer = judge_answer(self._node.name, self._clock.now(), took_ms, header.exit_code, said)
        self._details.see(answer)
        self._emit(answer)
        self.frames += 1
        return 0.0 if self._details.kinds else self._interval_s

    async def _frame(self, channel: Channel, timeout_s: float) -> tuple[FrameHeader, str]:
        try:
            async with asyncio.timeout(timeout_s):
                return await _read_frame(channel)
        except TimeoutError as error:
            what = _("no answer within {seconds:g} s").format(seconds=timeout_s)
            raise NodeUnreachableError.because(what) from error
        except NodeUnreachableError as error:
            raise _Ended(*error.problems) from error


async def _read_frame(channel: Channel) -> tuple[FrameHeader, str]:
    for _line in range(_NOISE_LINES):
        line = await channel.readline()
        if not line:
            break
        if header := parse_header(line):
            said = await channel.readexactly(header.size)
            return header, said.decode("utf-8", "replace")
    raise NodeUnreachableError.because(_("the probe ended on the node"))


def reason_of(error: NpudeckError) -> str:
    """What went wrong, on one line, without the advice."""
    problem = error.problems[0]
    return f"{problem.what}: {problem.why}" if problem.why else problem.what


def _pause(failures: int, interval_s: float) -> float:
    if failures == 0:
        return interval_s
    return min(BACK_OFF_CAP_S, 2.0 ** (failures - 1)) * random.uniform(0.8, 1.0)  # noqa: S311 -- spreads retries


@cache
def _script() -> str:
    return read_agent("probe.sh")
