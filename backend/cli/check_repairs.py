"""Putting right what a check found: every command is shown before it runs, and only safe ones run."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from backend.cli.diagnostics import say
from backend.fleet.node_sets import folded
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Node
from backend.preflight.asking_worker import Asking, as_typed
from backend.preflight.item import Finding, Repair, Status, short
from backend.preflight.setting import Setting
from backend.problems import NodeError
from backend.translation import _, ngettext

# a directory that is missing would be made by Docker, and belong to root
_ORDER = ("work_directory", "shared_directory", "ip_forward", "container", "owner")
_NOT_GOOD = (Status.WRONG, Status.WARNING)


@dataclass(frozen=True, slots=True)
class Done:
    """A repair that was made, or tried: `said` is what the node answered to it."""

    node: str
    item: str
    argv: tuple[str, ...]
    ok: bool
    said: str


class Repairs:
    """Made in rounds; none is tried twice on a node."""

    def __init__(self, arguments: argparse.Namespace, transport: SshTransport, setting: Setting) -> None:
        self._arguments = arguments
        self._transport = transport
        self._setting = setting
        self._tried: set[tuple[str, tuple[str, ...]]] = set()
        self.done: list[Done] = []

    async def make(self, findings: Sequence[Finding]) -> bool:
        """Show, ask and run. False when there was nothing to do, or no was said."""
        wanted = [
            (found, repair)
            for found, repair in repairs_of(findings)
            if repair.safe and (found.node, repair.argv) not in self._tried
        ]
        if not wanted:
            return False
        _show(wanted)
        if not self._allowed(len(wanted)):
            return False
        self._tried |= {(found.node, repair.argv) for found, repair in wanted}
        asking = Asking(self._transport, self._setting)
        nodes = {node.name: node for node in self._setting.nodes}
        names = list(dict.fromkeys(found.node for found, _repair in wanted))
        parts = [[one for one in wanted if one[0].node == name] for name in names]
        await asyncio.gather(
            *(self._on(asking, nodes[name], part) for name, part in zip(names, parts, strict=True))
        )
        return True

    async def _on(self, asking: Asking, node: Node, wanted: list[tuple[Finding, Repair]]) -> None:
        """One after the other, until one fails."""
        for found, repair in sorted(wanted, key=lambda one: _ORDER.index(one[0].item)):
            try:
                answer = await asking.repair(node, repair)
                done = Done(node.name, found.item, repair.argv, answer.ok, short(answer.complaint()))
            except NodeError as error:
                done = Done(node.name, found.item, repair.argv, False, short(error.problems[0].what))
            self.done.append(done)
            if not done.ok:
                say(_("{node}: {item}: {said}").format(node=node.name, item=found.item, said=done.said))
                return

    def _allowed(self, count: int) -> bool:
        if self._arguments.yes:
            return True
        if self._arguments.json or not _somebody_sits_there():
            say(_("nothing was changed: nobody can be asked here, and --yes was not given"))
            return False
        question = ngettext("run this command? [y/N] ", "run these {n} commands? [y/N] ", count)
        sys.stderr.write(question.format(n=count))
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def repairs_of(findings: Sequence[Finding]) -> list[tuple[Finding, Repair]]:
    """What could be run on each node, as it would be typed there."""
    users = {found.node: found.value for found in findings if found.item == "ssh"}
    return [
        (found, as_typed(found.repair, users.get(found.node, "0")))
        for found in findings
        if found.repair is not None and found.status in _NOT_GOOD
    ]


def _show(wanted: Sequence[tuple[Finding, Repair]]) -> None:
    """Equal commands once, with all their nodes."""
    nodes: dict[tuple[str, ...], list[str]] = {}
    for found, repair in wanted:
        nodes.setdefault(repair.argv, []).append(found.node)
    for argv, names in nodes.items():
        say(_("on {nodes}: {command}").format(nodes=folded(names), command=shlex.join(argv)))


def _somebody_sits_there() -> bool:
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())
