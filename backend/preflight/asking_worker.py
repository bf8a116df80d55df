"""Ask a node many questions at once: bounded in time and memory, whatever it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from backend.fleet.capture_client import Captured, capture
from backend.fleet.containers import in_container
from backend.fleet.ssh_client import SshTransport
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.docker_items import DOWN
from backend.preflight.item import (
    Finding,
    Item,
    Place,
    Repair,
    Status,
    finding_of,
    not_asked,
    short,
    unknown,
)
from backend.preflight.login_items import SSH
from backend.preflight.setting import Setting
from backend.problems import NodeError, NodeUnreachableError
from backend.translation import _

KEPT_BYTES = 1 << 20
MOST_BYTES = 4 << 20
_AT_ONCE = 6  # of the ten sessions that sshd grants; a listener and others need theirs
_NODE_S = 60.0  # a node that lets one question after another run into its limit
_REPAIR_S = 120.0
NOT_REACHED = _("the node was not reached")


class Asking:
    """Questions to the nodes of a setting. Equal questions to one node are asked once."""

    def __init__(self, transport: SshTransport, setting: Setting) -> None:
        self._transport = transport
        self._setting = setting
        self._places: dict[str, asyncio.Semaphore] = {}
        self._answers: dict[tuple[str, Place, tuple[str, ...]], asyncio.Task[Completed]] = {}

    async def command(
        self, node: Node, argv: Sequence[str], place: Place = Place.HOST, timeout_s: float = 10.0
    ) -> Completed:
        """Raises `NodeError` when there is no answer, or none of a sane size."""
        container = self._setting.container if place is Place.INSIDE else None
        places = self._places.setdefault(node.name, asyncio.Semaphore(_AT_ONCE))
        async with places:
            found = await capture(
                self._transport,
                node,
                argv,
                timeout_s=timeout_s,
                keep_bytes=KEPT_BYTES,
                most_bytes=MOST_BYTES,
                container=container,
            )
        return _completed(node, found, timeout_s)

    async def items(self, node: Node, items: Sequence[Item]) -> list[Finding]:
        """What they find, in their order; the first of them says whether the node can be reached."""
        first, *others = items
        tasks: list[asyncio.Task[Finding]] = []
        try:
            found = await self._item(node, first)
            if found.status is Status.UNKNOWN:
                return [found, *(not_asked(item, node.name, NOT_REACHED) for item in others)]
            tasks += [asyncio.ensure_future(self._item(node, item)) for item in others]
            _done, late = await asyncio.wait(tasks, timeout=_NODE_S) if tasks else (set(), set())
        finally:
            # nothing outlives whoever asked: its connection is about to go
            await self._end(node, tasks)
        words = _("no answer within {seconds:g} s").format(seconds=_NODE_S)
        findings = [
            not_asked(item, node.name, words, Status.UNKNOWN) if task in late else task.result()
            for item, task in zip(others, tasks, strict=True)
        ]
        return [found, *_said_once(others, self._without_container(node, others, findings))]

    async def _end(self, node: Node, tasks: Iterable[asyncio.Task[Finding]]) -> None:
        begun = [*tasks, *(answer for key, answer in self._answers.items() if key[0] == node.name)]
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)

    async def repair(self, node: Node, repair: Repair) -> Completed:
        """Raises `NodeError`."""
        return await self.command(node, repair.argv, timeout_s=_REPAIR_S)

    async def _item(self, node: Node, item: Item) -> Finding:
        key = (node.name, item.place, item.argv)
        if key not in self._answers:
            asked = self.command(node, item.argv, item.place, item.timeout_s)
            self._answers[key] = asyncio.ensure_future(asked)
        try:
            # shielded: others may wait for the same answer
            done = await asyncio.shield(self._answers[key])
        except NodeUnreachableError as error:
            return _unanswered(item, node, error)
        except NodeError as error:
            if item.name == SSH:
                # a host key, a key that is not accepted: no word of the node's, so nothing to judge
                return _unanswered(item, node, error)
            # also what `docker exec` says instead of running it
            done = Completed(126, b"", _words(error).encode("utf-8", "replace"))
        return finding_of(item, node.name, item.judge(done))

    def _without_container(
        self, node: Node, items: Sequence[Item], findings: Iterable[Finding]
    ) -> list[Finding]:
        """Where the container does not run, that is the one thing to say."""
        findings = list(findings)
        container = next((found for found in findings if found.item == "container"), None)
        if container is None or not is_down(container):
            return findings
        places = {item.name: item.place for item in items}
        down = _("the container does not run")
        return [
            replace(found, status=Status.SKIPPED, found=down, fix="", repair=None, value="", alike="")
            if places[found.item] is Place.INSIDE
            else found
            for found in findings
        ]


def _said_once(items: Sequence[Item], findings: Sequence[Finding]) -> Iterator[Finding]:
    """Of items that share an answer the first says what is wrong with it, the others where that stands."""
    said: dict[tuple[Place, tuple[str, ...], str], str] = {}
    for item, found in zip(items, findings, strict=True):
        if found.status not in (Status.WRONG, Status.UNKNOWN):
            yield found
            continue
        first = said.setdefault((item.place, item.argv, found.found), item.name)
        if first == item.name:
            yield found
        else:
            yield not_asked(item, found.node, _("see {item}").format(item=first))


def is_down(container: Finding) -> bool:
    """Whether what was found of the container means that nothing can run in it."""
    return container.status is Status.SKIPPED or container.value == DOWN


def as_typed(repair: Repair, user: str) -> Repair:
    """With sudo where root's rights are needed and the login user (its number) is another."""
    if not repair.as_root or user == "0":
        return repair
    return replace(repair, argv=("sudo", "-n", *repair.argv))


def inside_argv(setting: Setting, argv: Sequence[str]) -> tuple[str, ...]:
    """For a channel that stays open: with stdin passed on."""
    if setting.container is None:
        return tuple(argv)
    return in_container(setting.container, argv, interactive=True)


def _completed(node: Node, found: Captured, timeout_s: float) -> Completed:
    if found.ended == "timeout":
        what = _("no answer within {seconds:g} s").format(seconds=timeout_s)
        raise NodeUnreachableError.because(what, field=node.name)
    if found.ended == "flood":
        raise NodeUnreachableError.because(_("it prints without end"), field=node.name)
    stdout, stderr = (output.head + output.tail for output in (found.stdout, found.stderr))
    return Completed(found.exit_code, stdout, stderr)


def _unanswered(item: Item, node: Node, error: NodeError) -> Finding:
    fix = error.problems[0].fix
    if item.name == SSH and not fix:
        fix = _("see whether it is on, and whether `ssh` to its host logs in from here")
    words = _words(error)
    # many that are off are one row
    verdict = replace(unknown(words, fix), alike=words.replace(node.host, "HOST"))
    return finding_of(item, node.name, verdict)


def _words(error: NodeError) -> str:
    problem = error.problems[0]
    return short(f"{problem.what}: {problem.why}" if problem.why else problem.what)
