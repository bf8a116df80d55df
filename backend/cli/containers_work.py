"""The work of `npudeck containers status`, `start` and `stop`."""

from __future__ import annotations

import argparse
import asyncio
import shlex
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from backend.cli.containers_report import Answer, exit_code, lines_of, to_json
from backend.cli.diagnostics import say
from backend.cli.fleet_selection import chosen_names, nodes_of, open_fleet
from backend.cli.report_output import print_report
from backend.engines.container import ContainerRun
from backend.fleet.connect_client import ContainerTransport
from backend.fleet.fan_out import fan_out
from backend.fleet.leases import BY_HAND, holder_of
from backend.fleet.node_sets import folded
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Container, Inventory, Node
from backend.preflight import container_worker
from backend.preflight.asking_worker import Asking
from backend.preflight.container_worker import ContainerThere
from backend.preflight.setting import Setting
from backend.problems import ConflictError, InputError, NpudeckError
from backend.translation import _

_DEADLINE_S = 180.0
Work = Callable[["_Fleet"], Coroutine[Any, Any, Mapping[str, Answer]]]


def run_status(arguments: argparse.Namespace) -> int:
    return _run(arguments, lambda fleet: fleet.look())


def run_start(arguments: argparse.Namespace) -> int:
    return _run(arguments, lambda fleet: fleet.start(dry_run=arguments.dry_run), not arguments.dry_run)


def run_stop(arguments: argparse.Namespace) -> int:
    return _run(arguments, lambda fleet: fleet.stop(arguments), not arguments.dry_run, wanted="stopped")


def _run(arguments: argparse.Namespace, work: Work, strict: bool = True, wanted: str = "runs") -> int:
    inventory = open_fleet(arguments)
    nodes = nodes_of(chosen_names(arguments.nodes, inventory), inventory)
    if inventory.container is None:
        say(_("the inventory names no container: commands run on the nodes themselves, nothing is to do"))
        report: dict[str, Any] = {"fleet": inventory.name, "container": None, "nodes": []}
        print_report(report, (), json=arguments.json)
        return 0
    _refuse_more_npus(getattr(arguments, "npus", None), nodes)
    answers = asyncio.run(_with_fleet(arguments, inventory, inventory.container, nodes, work))
    code = exit_code(list(answers.values()), wanted)
    if code == 1 and not strict:
        code = 0
    print_report(
        to_json(inventory, inventory.container, answers, code),
        lines_of(answers, wanted),
        json=arguments.json,
    )
    return code


def _refuse_more_npus(npus: int | None, nodes: Sequence[Node]) -> None:
    """Fewer than asked for would look like what was asked for. Raises `InputError`."""
    short = [node for node in nodes if npus is not None and npus > node.npus]
    if short:
        raise InputError.because(
            _("{npus} NPUs are more than {nodes} has ({have})").format(
                npus=npus, nodes=folded([node.name for node in short]), have=min(node.npus for node in short)
            ),
            fix=_("name as many as there are, or correct `npus` of the node in the inventory"),
            field="--npus",
        )


async def _with_fleet(
    arguments: argparse.Namespace,
    inventory: Inventory,
    container: Container,
    nodes: Sequence[Node],
    work: Work,
) -> Mapping[str, Answer]:
    transport = SshTransport(inventory.ssh)
    try:
        return await work(_Fleet(transport, inventory, container, nodes, getattr(arguments, "npus", None)))
    finally:
        await transport.close()


class _Fleet:
    """The nodes that were named, and the container that each should have."""

    def __init__(
        self,
        transport: SshTransport,
        inventory: Inventory,
        container: Container,
        nodes: Sequence[Node],
        npus: int | None,
    ) -> None:
        self._transport = transport
        self._inside = ContainerTransport(transport, container)
        self._container = container
        self._nodes = nodes
        self._npus = npus
        setting = Setting(tuple(nodes), inventory.shared_directory, container, 0)
        self._asking = Asking(transport, setting)
        self._runs = {
            node.name: ContainerRun(
                container, node.work_directory, inventory.shared_directory, npus or node.npus
            )
            for node in nodes
        }

    async def look(self) -> Mapping[str, Answer]:
        return await fan_out(self._nodes, self._look, deadline_s=_DEADLINE_S)

    async def start(self, *, dry_run: bool) -> Mapping[str, Answer]:
        seen = await self.look()
        wanted = {
            name: there.start
            for name, there in seen.items()
            if isinstance(there, ContainerThere) and there.start is not None
        }
        _show(wanted)
        if dry_run:
            return seen

        async def one(node: Node) -> ContainerThere:
            there = seen[node.name]
            if isinstance(there, ContainerThere):
                await container_worker.start(self._asking, node, there)
            return await self._look(node)

        return await fan_out(self._nodes, one, deadline_s=_DEADLINE_S)

    async def stop(self, arguments: argparse.Namespace) -> Mapping[str, Answer]:
        seen = await self.look()
        argvs = {
            name: container_worker.stop_argvs(
                there, self._container.name, arguments.grace, remove=arguments.remove
            )
            for name, there in seen.items()
            if isinstance(there, ContainerThere)
        }
        for step in ("stop", "rm"):
            _show({name: argv for name, steps in argvs.items() for argv in steps if argv[1] == step})
        if arguments.dry_run:
            return seen

        async def one(node: Node) -> ContainerThere:
            there = seen[node.name]
            if isinstance(there, ContainerThere) and not argvs[node.name]:
                return there
            if isinstance(there, NpudeckError):
                raise there
            if there.state == "runs" and not arguments.force:
                await self._refuse_if_held(node)
            await container_worker.stop(self._asking, node, argvs[node.name], arguments.grace)
            return await self._look(node)

        return await fan_out(self._nodes, one, deadline_s=_DEADLINE_S + arguments.grace)

    async def _look(self, node: Node) -> ContainerThere:
        there = await container_worker.look(self._asking, node, self._runs[node.name])
        if self._npus is None or there.state in ("absent", "no-docker"):
            return there
        npus = range(node.npus) if there.npus is None else there.npus
        beyond = sorted(npu for npu in npus if npu >= self._npus)
        if not beyond:
            return there
        words = _("it has NPU {npus} too: stop it with --remove, then start it").format(
            npus=",".join(map(str, beyond))
        )
        return replace(there, faults=(*there.faults, words))

    async def _refuse_if_held(self, node: Node) -> None:
        holder = await holder_of(self._inside, node, self._container.name)
        if holder is None:
            return
        if holder.run_key.startswith(f"{BY_HAND}-"):
            raise ConflictError.because(
                _("{actor} holds {node} by hand").format(actor=holder.actor, node=node.name),
                holder.why or _("what is done there by hand would end"),
                _("ask them, or give back what is yours; --force stops the container all the same"),
                field=node.name,
            )
        raise ConflictError.because(
            _("run {run} of {actor} holds {node}").format(
                run=holder.run_key, actor=holder.actor, node=node.name
            ),
            _("stopping the container would end it"),
            _("`npudeck stop` ends a run in good order; --force stops the container all the same"),
            field=node.name,
        )


def _show(commands: Mapping[str, tuple[str, ...]]) -> None:
    """Equal commands once, with all their nodes."""
    nodes: dict[tuple[str, ...], list[str]] = {}
    for name, argv in commands.items():
        nodes.setdefault(argv, []).append(name)
    for argv, names in nodes.items():
        say(_("on {nodes}: {command}").format(nodes=folded(names), command=shlex.join(argv)))
