"""The work of `npudeck fleet push`, with its progress and its report."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend import number_words as words
from backend.cli.diagnostics import say, say_problem
from backend.cli.equal_problems import together
from backend.cli.fleet_push_words import GOES_ON, KINDS
from backend.cli.fleet_selection import chosen_names, nodes_of, open_fleet
from backend.cli.job_display import Display, display
from backend.cli.job_pace import Mark, Pace
from backend.cli.output import print_json, print_line
from backend.fleet.code_package import CODE
from backend.fleet.code_package_files import CodePackage, opened_package
from backend.fleet.code_worker import BUNDLE, EDITED, PACKAGES, code_folder, install, unpack
from backend.fleet.connect_client import ContainerTransport
from backend.fleet.containers import owner_inside
from backend.fleet.node_sets import folded
from backend.fleet.offline_bundle_files import bundle_environment
from backend.fleet.push_worker import Progress, Pushed, chown, file_sum, push_files
from backend.fleet.ssh_client import SshTransport
from backend.fleet.upload_plan_files import Item, plan_upload
from backend.inventory import Inventory, Node
from backend.problems import NpudeckError, Problem, UsageError
from backend.translation import _, ngettext

_NODES_AT_ONCE = 64
_TICK_S = 30.0


async def push_data(arguments: argparse.Namespace) -> int:
    """Data, weights, tokenizers: below the shared directory, once."""
    inventory, nodes = _fleet(arguments)
    kind = KINDS[arguments.kind]
    into = f"{kind}/{_name(arguments)}" if arguments.kind != "data" else kind
    if arguments.kind == "data":
        items = [replace(item, name=f"{kind}/{item.name}") for item in plan_upload(arguments.source)]
    else:
        items = plan_upload(arguments.source, into)
    transport = SshTransport(inventory.ssh)
    try:
        with display(quiet=arguments.json, start=_("looking")) as shown:
            pushed = await push_files(
                transport,
                nodes,
                items,
                lambda node: inventory.shared_directory,
                arguments.owner or "",
                _progress(shown),
            )
    finally:
        await transport.close()
    where = f"{inventory.shared_directory}/{into}"
    return _report(arguments, pushed, where, [_folder_json(part, where) for part in pushed])


def _name(arguments: argparse.Namespace) -> str:
    """Raises `UsageError` where the sources do not name the folder."""
    if not arguments.name and (len(arguments.source) > 1 or Path(arguments.source[0]).is_file()):
        raise UsageError.because(
            _("which folder of {kind} shall they lie in?").format(kind=KINDS[arguments.kind]),
            _("one folder that is sent names it, files and several sources do not"),
            _("add --name NAME"),
        )
    return str(arguments.name or Path(arguments.source[0]).absolute().name)


async def push_code(arguments: argparse.Namespace) -> int:
    """The code package: below each work directory, unpacked and, where asked, installed."""
    inventory, nodes = _fleet(arguments)
    transport = SshTransport(inventory.ssh)
    try:
        with opened_package(arguments.source[0]) as package, display(quiet=arguments.json, start="") as shown:
            for name in package.left_out:
                shown.remark(_("{name} inside it is left out: it holds no training code").format(name=name))
            items = [Item(package.path, f"{PACKAGES}/{package.name}", package.path.stat().st_size)]
            if arguments.bundle:
                bundle_environment(arguments.bundle, "")
                items += plan_upload([arguments.bundle], BUNDLE)
            progress = _progress(shown)
            pushed = await push_files(transport, nodes, items, lambda node: node.work_directory, "", progress)
            sum_ = await file_sum(package.path)
            steps = _CodeSteps(arguments, inventory, transport, package, sum_, shown)
            ticking = asyncio.create_task(steps.tick())
            try:
                parts = await asyncio.gather(*(steps.take(part) for part in pushed))
            finally:
                ticking.cancel()
    finally:
        await transport.close()
    return _report(arguments, pushed, CODE, parts)


class _CodeSteps:
    """What follows the upload, on the first node of each work directory."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        inventory: Inventory,
        transport: SshTransport,
        package: CodePackage,
        sha256: str,
        shown: Display,
    ) -> None:
        self._arguments = arguments
        self._inventory = inventory
        self._transport = transport
        container = inventory.container
        self._inside = transport if container is None else ContainerTransport(transport, container)
        self._package = package
        self._sha256 = sha256
        self._shown = shown
        self._places = asyncio.Semaphore(_NODES_AT_ONCE)
        self._installing: dict[str, float] = {}

    async def take(self, part: Pushed) -> dict[str, Any]:
        """Unpack, give away, install; problems go into `part`."""
        node = part.nodes[0]
        said = _folder_json(part, f"{node.work_directory}/{CODE}")
        if part.problems:
            return said
        async with self._places:
            try:
                await self._take(node, said)
            except NpudeckError as error:
                part.problems = error.problems
                said["problems"] = [problem.to_json() for problem in error.problems]
        return said

    async def tick(self) -> None:
        """Say now and then that installations are under way: they take many minutes without a word."""
        while True:
            await asyncio.sleep(_TICK_S)
            if self._installing:
                seconds = time.monotonic() - min(self._installing.values())
                self._shown.remark(
                    _("installing on {names}, for {time}").format(
                        names=folded(self._installing), time=words.span(seconds)
                    )
                )

    async def _take(self, node: Node, said: dict[str, Any]) -> None:
        owner = said["owner"] = await self._owner(node)
        names = [f"{PACKAGES}/{self._package.name}"]
        if self._arguments.bundle:
            names.append(f"{BUNDLE}/.")
        if owner:
            # before anything can go wrong: what works in the container keeps its files beside them
            await chown(self._transport, node, node.work_directory, names, owner)
        unpacked = await unpack(
            self._transport, node, self._package, node.work_directory, overwrite=self._arguments.overwrite
        )
        said |= {"unpacked": unpacked.state, "written": unpacked.written, "edited_kept_in": unpacked.aside}
        if unpacked.aside:
            self._shown.remark(
                _("{node}: {count} edited files replaced, copies in {folder}").format(
                    node=node.name, count=unpacked.edited_count, folder=unpacked.aside
                )
            )
        if owner:
            kept = [f"{EDITED}/."] if unpacked.aside else []
            await chown(self._transport, node, node.work_directory, [*unpacked.tops, *kept], owner)
        if self._arguments.install:
            self._installing[node.name] = time.monotonic()
            try:
                said["installed"] = "now" if await self._install(node) else "before"
            finally:
                del self._installing[node.name]

    async def _owner(self, node: Node) -> str | None:
        """Who was named, else whoever works in the container; None for nobody else than the login user."""
        container = self._inventory.container
        named: str | None = self._arguments.owner
        if named or container is None:
            return named
        found = await owner_inside(self._transport, node, container)
        if found is None and not self._arguments.install:
            self._shown.remark(
                _(
                    "{node}: the files belong to who logged in, the container {name} does not run; "
                    "npudeck check --fix gives them to its user"
                ).format(node=node.name, name=container.name)
            )
        return found or None

    async def _install(self, node: Node) -> bool:
        environment: Sequence[tuple[str, str]] = ()
        if self._arguments.bundle:
            there = f"{code_folder(self._inventory, node)}/{BUNDLE}"
            environment = bundle_environment(self._arguments.bundle, there)
        return await install(
            self._inside,
            self._inventory,
            node,
            self._sha256,
            environment,
            lambda text: self._shown.remark(f"{node.name}: {text}"),
        )


def _fleet(arguments: argparse.Namespace) -> tuple[Inventory, tuple[Node, ...]]:
    inventory = open_fleet(arguments)
    names = chosen_names([arguments.nodes] if arguments.nodes is not None else [], inventory, "!drained")
    return inventory, nodes_of(names, inventory)


def _progress(shown: Display) -> Progress:
    """Bytes, bytes a second, time left."""
    pace, began = Pace(), time.monotonic()
    said = [0.0]

    def changed(progress: Progress) -> None:
        now = time.monotonic() - began
        if now - said[0] < 0.1 and progress.done < progress.total:
            return
        said[0] = now
        pace.add(Mark(now, progress.done))
        parts = [words.progress(progress.done, progress.total)]
        if (left := pace.seconds_left(progress.total)) is not None:
            parts += [words.byte_rate((progress.total - progress.done) / left), words.time_left(left)]
        shown.move(progress.done, progress.total, ", ".join(parts))

    return Progress(changed)


def _folder_json(part: Pushed, where: str) -> dict[str, Any]:
    return {
        "nodes": [node.name for node in part.nodes],
        "sent_to": part.nodes[0].name,
        "folder": where,
        "files_sent": part.sent,
        "files_there": part.there,
        "bytes_sent": part.bytes_sent,
        "problems": [problem.to_json() for problem in part.problems],
    }


def _report(
    arguments: argparse.Namespace, pushed: Sequence[Pushed], where: str, parts: list[dict[str, Any]]
) -> int:
    problems = [problem for part in pushed for problem in part.problems]
    if arguments.json:
        print_json({"kind": arguments.kind, "folders": parts})
    else:
        _print(pushed, where, parts, problems)
    return 0 if not problems else 6 if all(_kept(part) for part in pushed if part.problems) else 4


def _print(
    pushed: Sequence[Pushed], where: str, parts: list[dict[str, Any]], problems: Sequence[Problem]
) -> None:
    for part, said in zip(pushed, parts, strict=True):
        names = folded(node.name for node in part.nodes)
        if part.problems:
            print_line(_("{names}: not done").format(names=names))
            continue
        shared = _(", one folder for all of them") if len(part.nodes) > 1 else ""
        sent = ngettext("{n} file sent", "{n} files sent", part.sent).format(n=part.sent)
        text = _("{names}: {sent} ({size}), {there} there already, in {where}{shared}").format(
            names=names,
            sent=sent,
            size=words.size(part.bytes_sent),
            there=part.there,
            where=where,
            shared=shared,
        )
        if "unpacked" in said:
            unpacked = ngettext("; {n} file unpacked", "; {n} files unpacked", said["written"])
            text += unpacked.format(n=said["written"])
        if "installed" in said:
            text += _("; installed") if said["installed"] == "now" else _("; installed before")
        print_line(text)
    for problem in together(problems):
        say_problem(problem)
    if problems and any(part.problems and not _kept(part) for part in pushed):
        say(GOES_ON)


def _kept(part: Pushed) -> bool:
    """Nothing failed but the wish to keep what somebody edited."""
    return bool(part.problems) and all("--overwrite" in problem.fix for problem in part.problems)
