"""The inventory that the options of `npudeck fleet init` mean."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

from backend.cli.diagnostics import say
from backend.fleet.hosts_files import read_hostfile, read_ssh_config
from backend.fleet.hosts_parse import LINES, Found
from backend.fleet.inventory_files import named_after
from backend.fleet.inventory_parse import parse_inventory
from backend.fleet.inventory_text import inventory_to_toml
from backend.fleet.node_sets import expand, node_names
from backend.inventory import Inventory, Node, SshOptions
from backend.problems import InputError, Problem, Severity, UsageError
from backend.translation import _

WORK_DIRECTORY = "/home/ma-user/ws"
NPUS = 8


# where the inventory has what a flag says
_FLAGS = {
    "fleet.name": "--name",
    "fleet.shared_directory": "--shared-directory",
    "ssh.user": "--user",
    "ssh.port": "--port",
    "ssh.config": "--ssh-config",
    "ssh.known_hosts": "--known-hosts",
    "ssh.identity_files": "--identity",
    "ssh.proxy_jump": "--jump",
    "nodes.name": "nodes",
    "nodes.host": "--host",
    "nodes.address": "--address",
    "nodes.npus": "--npus",
    "nodes.work_directory": "--work-directory",
}


def from_arguments(arguments: argparse.Namespace) -> Inventory:
    """An inventory that can be read again. Raises `InputError`, `UsageError`, pointing to the flags."""
    inventory = _inventory(arguments)
    problems: list[Problem] = []
    try:
        parse_inventory(inventory_to_toml(inventory, fold=True), arguments.output)
    except InputError as error:
        problems += (replace(problem, field=_flag(problem.field, arguments)) for problem in error.problems)
    if "{name}" in inventory.shared_directory:
        what = _("{path!r} is another directory on every node").format(path=inventory.shared_directory)
        fix = _("say what all nodes see under one path")
        problems.append(Problem("--shared-directory", Severity.ERROR, what, "", fix))
    if problems:
        raise InputError(*dict.fromkeys(problems))
    return inventory


def _flag(place: str, arguments: argparse.Namespace) -> str:
    """What was said, for a place of a file that nobody has seen."""
    if place == "fleet.shared_directory" and not arguments.shared_directory:
        return "--work-directory"
    if place.startswith("groups."):
        return "--group"
    return _FLAGS.get(re.sub(r"\[\d+\]", "", place), place)


def _inventory(arguments: argparse.Namespace) -> Inventory:
    found = _found(arguments)
    work = arguments.work_directory or WORK_DIRECTORY
    names = tuple(host.name for host in found)
    hosts = _for_each("host", arguments.host, names) or tuple(host.host for host in found)
    addresses = _for_each("address", arguments.address, names) or hosts
    nodes = tuple(
        Node(
            host.name,
            reached,
            address,
            host.npus or arguments.npus or NPUS,
            work.replace("{name}", host.name),
        )
        for host, reached, address in zip(found, hosts, addresses, strict=True)
    )
    ssh = SshOptions(
        user=arguments.user,
        port=arguments.port,
        config=_config(arguments.ssh_config),
        known_hosts=_from_there(arguments.known_hosts, arguments.output),
        identity_files=tuple(filter(None, [_from_there(arguments.identity, arguments.output)])),
        proxy_jump=arguments.jump,
    )
    name = arguments.name or named_after(Path(arguments.output).absolute().parent)
    fleet = Inventory(name, nodes, arguments.shared_directory or work, ssh, path=arguments.output)
    return replace(fleet, groups=_groups(arguments.group, fleet))


def _found(arguments: argparse.Namespace) -> list[Found]:
    if arguments.hostfile and arguments.ssh_config:
        raise UsageError.because(_("--hostfile and --ssh-config are two sources of the same thing"))
    wanted = ",".join(arguments.nodes)
    if not (arguments.hostfile or arguments.ssh_config):
        return [Found(name, name) for name in _typed(wanted)]
    source = _("standard input") if arguments.hostfile == "-" else arguments.hostfile or arguments.ssh_config
    hosts = _listed(arguments.hostfile, source) if arguments.hostfile else read_ssh_config(source)
    if not hosts:
        raise InputError.because(
            _("{path} names no host").format(path=source),
            "" if arguments.hostfile else _("`Host` lines with patterns such as * stand for no host"),
            LINES if arguments.hostfile else _("name the nodes: npudeck fleet init 'n[01-64]'"),
        )
    if not wanted:
        return hosts
    known = Inventory("", tuple(Node(host.name, host.host, "", 1, "/") for host in hosts), "/", path=source)
    by_name = {host.name: host for host in hosts}
    return [by_name[name] for name in node_names(wanted, known)]


def _listed(path: str, source: str) -> list[Found]:
    hosts, left_out = read_hostfile(path)
    if left_out:
        names = ", ".join(f"{host.name} ({host.host})" for host in left_out)
        words = _("left out of {path}, no other machine has such an address: {names}")
        say(words.format(path=source, names=names))
    return hosts


def _typed(expression: str) -> tuple[str, ...]:
    try:
        return expand(expression)
    except ValueError as error:
        what = _("{text!r} is not a node set").format(text=expression)
        raise InputError.because(what, str(error), _("for example n[01-64]"), field="nodes") from error


def _for_each(option: str, pattern: str | None, names: tuple[str, ...]) -> tuple[str, ...]:
    """One value a node, () where nothing is said."""
    if not pattern:
        return ()
    if "{name}" in pattern:
        return tuple(pattern.replace("{name}", name) for name in names)
    try:
        values = expand(pattern)
    except ValueError as error:
        what = _("{text!r} is not a node set").format(text=pattern)
        raise InputError.because(what, str(error), field=f"--{option}") from error
    if len(values) != len(names):
        what = _("{pattern!r} stands for {count} hosts, there are {names} nodes")
        raise InputError.because(
            what.format(pattern=pattern, count=len(values), names=len(names)),
            fix=_('use "{name}" in it, or a node set of the same size'),
            field=f"--{option}",
        )
    return values


def _config(path: str | None) -> str | None:
    """The config is named only where it is not the one that SSH reads anyway."""
    if path is None or Path(path).expanduser() == Path("~/.ssh/config").expanduser():
        return None
    return str(Path(path).expanduser().absolute())


def _from_there(name: str | None, output: str) -> str | None:
    """A file that is named from here, as the inventory must name it: its names start at its own folder."""
    if name is None or name.startswith("~") or Path(output).absolute().parent == Path.cwd():
        return name
    return str(Path(name).absolute())


def _groups(texts: list[str], fleet: Inventory) -> tuple[tuple[str, tuple[str, ...]], ...]:
    groups: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, expression = text.partition("=")
        name = name.strip()
        if not equals:
            what = _("{text!r} names no nodes").format(text=text)
            raise UsageError.because(what, fix=_("--group rack-a=n[01-16]"), field="--group")
        if name in groups:
            what = _("the group {name} is given twice").format(name=name)
            raise UsageError.because(
                what,
                fix=_("name all its nodes at once: --group '{name}=n1,n2'").format(name=name),
                field="--group",
            )
        try:
            groups[name] = node_names(expression, fleet)
        except InputError as error:
            raise InputError(*(replace(problem, field="--group") for problem in error.problems)) from error
    return tuple(groups.items())
