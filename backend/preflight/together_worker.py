"""The questions that need several nodes, put to those that can answer them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

from backend.clock import RealClock
from backend.fleet.ssh_client import SshTransport
from backend.fleet.transport import Channel, Completed
from backend.inventory import Node
from backend.preflight import meeting
from backend.preflight.address_item import ADDRESS
from backend.preflight.asking_worker import NOT_REACHED, Asking, inside_argv, is_down
from backend.preflight.item import Finding, Place, Status, script
from backend.preflight.setting import Setting
from backend.problems import NodeError
from backend.translation import _

_LISTEN_S = 20.0
_CONNECT_S = 5.0
_WORD_S = 10.0
_NOISE_LINES = 200
_MARKER_TRIES = 3


class Together:
    """`findings`: what is known of each node by itself."""

    def __init__(
        self, asking: Asking, transport: SshTransport, setting: Setting, findings: Sequence[Finding]
    ) -> None:
        self._asking = asking
        self._transport = transport
        self._setting = setting
        self._reached = [
            node
            for node in setting.nodes
            if not _has(findings, "ssh", node, lambda one: one is Status.UNKNOWN)
        ]
        down = {found.node for found in findings if found.item == "container" and is_down(found)}
        self._able = [node for node in self._reached if node.name not in down]
        first = setting.first
        # one that only lacks modules listens nevertheless
        self._python = _has(findings, "python", first, lambda one: one is Status.OK)
        # what is wrong with it is said once
        self._no_address = _has(findings, ADDRESS, first, lambda one: one is Status.WRONG)
        self._closed = _has(findings, "shared_directory", first, lambda one: one is not Status.OK)

    async def ask(self) -> list[Finding]:
        """Every node has an answer to each question that is put to it, if only why it was not asked."""
        parts = await asyncio.gather(self._clocks(), self._shared(), self._meeting())
        findings = [finding for part in parts for finding in part]
        answered = {(found.item, found.node) for found in findings}
        return findings + [
            Finding(item, node.name, Status.SKIPPED, self._why_not(item, node), needed)
            for item, node, needed in meeting.questions(self._setting)
            if (item, node.name) not in answered
        ]

    def _why_not(self, item: str, node: Node) -> str:
        first = self._setting.first
        if node not in self._reached:
            return NOT_REACHED
        if node not in self._able:
            return _("the container does not run")
        if first in self._able and item == meeting.PORT:
            return _("the address of {first} is not as it should be: see address").format(first=first.name)
        if first in self._able and item == meeting.REACH:
            return _("nothing listens on {first}: see master_port").format(first=first.name)
        return _("{first} cannot take part").format(first=first.name)

    async def _run(self, node: Node, argv: Sequence[str], place: Place, timeout_s: float = 10.0) -> Completed:
        try:
            return await self._asking.command(node, argv, place, timeout_s)
        except NodeError as error:
            return Completed(126, b"", error.problems[0].what.encode("utf-8", "replace"))

    async def _clocks(self) -> list[Finding]:
        offsets: dict[str, tuple[float, float]] = {}
        complaints: dict[str, str] = {}
        clock = RealClock()

        async def ask(node: Node) -> None:
            began = clock.now()
            done = await self._run(node, meeting.CLOCK_ARGV, Place.HOST)
            ended = clock.now()
            if (there := meeting.read_clock(done)) is not None:
                offsets[node.name] = (there - (began + ended) / 2, (ended - began) / 2)
            else:
                complaints[node.name] = done.complaint()

        if len(self._setting.nodes) < 2:
            return []
        await asyncio.gather(*(ask(node) for node in self._reached))
        return meeting.judge_clocks(self._reached, offsets, complaints)

    async def _shared(self) -> list[Finding]:
        """A marker of rank 0's node must be read by all: the proof that the directory is shared."""
        setting, first = self._setting, self._setting.first
        if len(setting.nodes) < 2 or self._closed or first not in self._able:
            return []
        word = secrets.token_hex(8)
        path = f"{setting.shared_directory.rstrip('/')}/.npudeck-check-{word}"
        try:
            written = await self._run(first, script(meeting.WRITE_MARKER, path, word), setting.inside)
            findings = [meeting.judge_written(setting, written)]
            if findings[0].status is not Status.OK:
                return findings
            others = [node for node in self._able if node is not first]
            return findings + await asyncio.gather(*(self._read(node, path, word) for node in others))
        finally:
            await self._run(first, script(meeting.DROP_MARKER, path), setting.inside)

    async def _read(self, node: Node, path: str, word: str) -> Finding:
        """Network file systems may need a moment until they show a new file."""
        for left in reversed(range(_MARKER_TRIES)):
            done = await self._run(node, script(meeting.READ_MARKER, path), self._setting.inside)
            found = meeting.judge_marker(node, self._setting, done, word)
            if found.status is Status.OK or not done.ok or not left:
                break
            await asyncio.sleep(1.0)
        return found

    async def _meeting(self) -> list[Finding]:
        """A real listener on rank 0's node, and every other node calls it."""
        setting, first = self._setting, self._setting.first
        if first not in self._able or self._no_address:
            return []
        word = secrets.token_hex(8)
        words = [word, setting.meeting_address, str(setting.port), f"{_LISTEN_S:g}"]
        argv = inside_argv(setting, (first.python, "-u", "-c", meeting.LISTEN, *words))
        try:
            channel = await self._transport.open(first, argv, timeout_s=10.0)
        except NodeError as error:
            return [meeting.judge_listener(setting, error.problems[0].what)]
        try:
            line = await _heard(channel)
            if not line and not self._python:
                return [meeting.without_python(setting)]
            listening = meeting.judge_listener(setting, line)
            return [listening, *(await self._calls(word) if listening.status is Status.OK else ())]
        finally:
            await channel.close()

    async def _calls(self, word: str) -> list[Finding]:
        first, port = self._setting.first, self._setting.port
        others = [node for node in self._able if node is not first]
        argvs = [
            (node.python, "-c", meeting.CONNECT, first.address, str(port), f"{_CONNECT_S:g}")
            for node in others
        ]
        limit_s = 2 * _CONNECT_S + 5
        answers = await asyncio.gather(
            *map(lambda node, argv: self._run(node, argv, self._setting.inside, limit_s), others, argvs)
        )

        def judged(first_left: bool) -> list[Finding]:
            pairs = zip(others, answers, strict=True)
            return [meeting.judge_meeting(node, first, port, done, word, first_left) for node, done in pairs]

        findings = judged(False)
        if all(found.status is not Status.WRONG for found in findings):
            return findings
        # a listener that went with its node is reached by nobody, whatever firewalls let through
        return judged(not (await self._run(first, ("true",), Place.HOST)).ok)


async def _heard(channel: Channel) -> str:
    """The first line of the listener's own, "" when it ended without one, or why none came."""
    try:
        async with asyncio.timeout(_WORD_S):
            return await _first_word(channel)
    except TimeoutError:
        return _("no answer within {seconds:g} s").format(seconds=_WORD_S)
    except NodeError as error:
        return error.problems[0].what


async def _first_word(channel: Channel) -> str:
    for _line in range(_NOISE_LINES):
        raw = await channel.readline()
        line = raw.decode("utf-8", "replace").strip()
        if not raw or line.startswith(meeting.LISTEN_MARK):
            return line
    return ""


def _has(findings: Sequence[Finding], item: str, node: Node, holds: Callable[[Status], bool]) -> bool:
    return any(found.item == item and found.node == node.name and holds(found.status) for found in findings)
