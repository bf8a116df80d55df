"""Everything that a check asks, of all nodes at the same time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

from backend.clock import RealClock
from backend.fleet.ssh_client import SshTransport
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight import meeting
from backend.preflight.asking_worker import Asking, inside_argv, is_down
from backend.preflight.compare import compared
from backend.preflight.item import Finding, Place, Status, script
from backend.preflight.items import ORDER, node_items
from backend.preflight.setting import Setting
from backend.problems import NodeError
from backend.translation import _

Moved = Callable[[int, int, str], None]

_LISTEN_S = 20.0
_CONNECT_S = 5.0
_NOISE_LINES = 200
_MARKER_TRIES = 3


async def check_nodes(transport: SshTransport, setting: Setting, moved: Moved) -> tuple[Finding, ...]:
    """Every finding, in the order of the items and then of the nodes. Never raises for what a node does."""
    asking = Asking(transport, setting)
    items = {node.name: node_items(node, setting) for node in setting.nodes}
    total = len(setting.nodes) + 1
    done: list[str] = []

    async def one(node: Node) -> list[Finding]:
        found = await asking.items(node, items[node.name])
        done.append(node.name)
        moved(len(done), total, _("{name} answered").format(name=node.name))
        return found

    parts = await asyncio.gather(*(one(node) for node in setting.nodes))
    findings = [finding for part in parts for finding in part]
    findings = compared([item for group in items.values() for item in group], findings)
    findings += await _Together(asking, transport, setting, findings).ask()
    moved(total, total, _("done"))
    order = {node.name: place for place, node in enumerate(setting.nodes)}
    return tuple(sorted(findings, key=lambda found: (ORDER.index(found.item), order[found.node])))


class _Together:
    """The questions that need several nodes, put to those that can answer them."""

    def __init__(
        self, asking: Asking, transport: SshTransport, setting: Setting, findings: Sequence[Finding]
    ) -> None:
        self._asking = asking
        self._transport = transport
        self._setting = setting
        silent = {found.node for found in findings if found.item == "ssh" and found.status is Status.UNKNOWN}
        down = {found.node for found in findings if found.item == "container" and is_down(found)}
        self._reached = [node for node in setting.nodes if node.name not in silent]
        self._able = [node for node in self._reached if node.name not in down]
        # one that only lacks modules listens nevertheless
        self._python = any(
            found.item == "python" and found.node == setting.first.name and found.status is Status.OK
            for found in findings
        )
        self._closed = any(
            found.item == "shared_directory"
            and found.node == setting.first.name
            and found.status is not Status.OK
            for found in findings
        )

    async def ask(self) -> list[Finding]:
        parts = await asyncio.gather(self._clocks(), self._shared(), self._meeting())
        return [finding for part in parts for finding in part]

    async def _run(self, node: Node, argv: Sequence[str], place: Place, timeout_s: float = 10.0) -> Completed:
        try:
            return await self._asking.command(node, argv, place, timeout_s)
        except NodeError as error:
            return Completed(126, b"", error.problems[0].what.encode("utf-8", "replace"))

    async def _clocks(self) -> list[Finding]:
        offsets: dict[str, tuple[float, float]] = {}
        clock = RealClock()

        async def ask(node: Node) -> None:
            began = clock.now()
            done = await self._run(node, meeting.CLOCK_ARGV, Place.HOST)
            ended = clock.now()
            if (there := meeting.read_clock(done)) is not None:
                offsets[node.name] = (there - (began + ended) / 2, (ended - began) / 2)

        if len(self._setting.nodes) < 2:
            return []
        await asyncio.gather(*(ask(node) for node in self._reached))
        return meeting.judge_clocks(self._reached, offsets)

    async def _shared(self) -> list[Finding]:
        """A marker of rank 0's node must be read by all: the proof that the directory is shared."""
        setting, first = self._setting, self._setting.first
        if len(setting.nodes) < 2:
            return []
        if self._closed or first not in self._able:
            return self._without_first(meeting.SHARED)
        word = secrets.token_hex(8)
        path = f"{setting.shared_directory.rstrip('/')}/.npudeck-check-{word}"
        written = await self._run(first, script(meeting.WRITE_MARKER, path, word), setting.inside)
        if not written.ok:
            return [meeting.judge_marker(first, first, path, written, word)]
        try:
            others = [node for node in self._able if node is not first]
            return list(await asyncio.gather(*(self._read(node, path, word) for node in others)))
        finally:
            await self._run(first, script(meeting.DROP_MARKER, path), setting.inside)

    async def _read(self, node: Node, path: str, word: str) -> Finding:
        """Network file systems may need a moment until they show a new file."""
        for _try in range(_MARKER_TRIES - 1):
            done = await self._run(node, script(meeting.READ_MARKER, path), self._setting.inside)
            found = meeting.judge_marker(
                node, self._setting.first, self._setting.shared_directory, done, word
            )
            if found.status is Status.OK or not done.ok:
                return found
            await asyncio.sleep(1.0)
        done = await self._run(node, script(meeting.READ_MARKER, path), self._setting.inside)
        return meeting.judge_marker(node, self._setting.first, self._setting.shared_directory, done, word)

    async def _meeting(self) -> list[Finding]:
        """A real listener on rank 0's node, and every other node calls it."""
        setting, first = self._setting, self._setting.first
        if first not in self._able:
            return self._without_first(meeting.REACH)
        word = secrets.token_hex(8)
        words = [word, first.address, str(setting.port), f"{_LISTEN_S:g}"]
        argv = inside_argv(setting, (first.python, "-u", "-c", meeting.LISTEN, *words))
        try:
            channel = await self._transport.open(first, argv, timeout_s=10.0)
        except NodeError as error:
            return [meeting.judge_listener(first, setting.port, error.problems[0].what)]
        try:
            line = ""
            async with asyncio.timeout(10.0):
                for _line in range(_NOISE_LINES):
                    raw = await channel.readline()
                    line = raw.decode("utf-8", "replace").strip()
                    if not raw or line.startswith(meeting.LISTEN_MARK):
                        break
            line = line.removeprefix(meeting.LISTEN_MARK)
            if not line and not self._python:
                return [meeting.without_python(first, setting.port)]
            findings = [meeting.judge_listener(first, setting.port, line)]
            if findings[0].status is Status.OK:
                others = [node for node in self._able if node is not first]
                findings += await asyncio.gather(*(self._call(node, word) for node in others))
            return findings
        except (TimeoutError, NodeError):
            return [
                meeting.judge_listener(
                    first, setting.port, _("no answer within {seconds:g} s").format(seconds=10)
                )
            ]
        finally:
            await channel.close()

    async def _call(self, node: Node, word: str) -> Finding:
        first, port = self._setting.first, self._setting.port
        argv = (node.python, "-c", meeting.CONNECT, first.address, str(port), f"{_CONNECT_S:g}")
        done = await self._run(node, argv, self._setting.inside, 2 * _CONNECT_S + 5)
        return meeting.judge_meeting(node, first, port, done, word)

    def _without_first(self, item: str) -> list[Finding]:
        why = _("{first} cannot take part").format(first=self._setting.first.name)
        return [
            Finding(item, node.name, Status.SKIPPED, why, "")
            for node in self._reached
            if node is not self._setting.first
        ]
