"""The inventory's TOML turned into plain data, with every problem found at once.

[fleet]     name, work_directory, shared_directory, python, device, npus_per_node, worst_health
[ssh]       user, port, config, known_hosts, identity_files, proxy_jump, connect_timeout_s
[container] name, image, work_directory, user, cpus, memory, shm_size, mounts, arguments
[[nodes]]   name, host, address, port, user, npus, work_directory, python, device,
            worst_health, groups
[groups]    name = "node set"
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from backend.engines.container import DRIVER_MOUNTS, HOME_OF_THE_IMAGE, NPU_SMI_PLACES
from backend.engines.container_options import parse_mount, refused_arguments
from backend.fleet.inventory_words import (
    NAME,
    Wrong,
    wrong_directory,
    wrong_group,
    wrong_host,
    wrong_jump,
    wrong_name,
    wrong_user,
)
from backend.fleet.node_sets import expand, node_names
from backend.fleet.toml_table import TomlTable
from backend.inventory import Container, Inventory, Node, SshOptions
from backend.problems import InputError, Problem, Severity
from backend.translation import _, ngettext

DEVICES = ("npu", "cuda", "cpu")
HEALTH_WORDS = ("ok", "warning", "alarm", "critical")
NPUS_PER_NODE = 8  # every machine of the guide (Snt9b) has eight


@dataclass(slots=True)
class _Found:
    """What the [[nodes]] lines gave, before it is checked as a whole."""

    nodes: list[Node] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)


def parse_inventory(text: str, path: str, default_name: str = "fleet") -> Inventory:
    """Raises `InputError` with all problems; `field` of each is its place in the file ("nodes[2].host").

    `nodes[1]` is the first [[nodes]]. File names of [ssh] stay as they are written; `path` is for messages.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what = _("{path} is not TOML: {error}").format(path=path, error=error)
        raise InputError(Problem("inventory", Severity.ERROR, what)) from error
    problems: list[Problem] = []
    inventory = _inventory(TomlTable(document, "", problems), path, default_name, problems)
    if problems:
        raise InputError(*problems)
    return inventory


def _inventory(root: TomlTable, path: str, default_name: str, problems: list[Problem]) -> Inventory:
    fleet = TomlTable(root.value("fleet"), "fleet", problems)
    found = _Found()
    defaults = _fleet_defaults(fleet)
    _read_nodes(root, defaults, found, problems)
    ssh = _ssh(TomlTable(root.value("ssh"), "ssh", problems))
    name = fleet.text("name") or default_name
    shared = fleet.text("shared_directory", required=True) or ""
    directories = (shared, *(node.work_directory for node in found.nodes))
    container = _container(root.value("container"), directories, problems)
    _check(fleet, "shared_directory", wrong_directory, shared)
    fleet.finish()
    inventory = Inventory(name, tuple(found.nodes), shared, ssh, container, path=path)
    groups = _groups(TomlTable(root.value("groups"), "groups", problems), inventory, found)
    root.finish()
    return Inventory(name, tuple(found.nodes), shared, ssh, container, groups, path)


def _fleet_defaults(fleet: TomlTable) -> Node:
    """A node that holds what [fleet] says about all of them."""
    work = fleet.text("work_directory") or ""
    _check(fleet, "work_directory", wrong_directory, work)
    return Node(
        name="",
        host="{name}",
        address="",
        npus=fleet.whole("npus_per_node", NPUS_PER_NODE, 1, 1024) or NPUS_PER_NODE,
        work_directory=work,
        python=fleet.text("python", "python3") or "python3",
        device=_device(fleet, "npu"),
        worst_health=_worst_health(fleet, "warning"),
    )


def _read_nodes(root: TomlTable, defaults: Node, found: _Found, problems: list[Problem]) -> None:
    entries = root.value("nodes")
    if not isinstance(entries, list) or not entries:
        fix = _('write at least one: [[nodes]] with name = "n[01-04]" and host = "{name}"')
        root.problem("nodes", _("the inventory names no node"), "", fix)
        return
    for number, entry in enumerate(entries, start=1):
        table = TomlTable(entry, f"nodes[{number}]", problems)
        _read_entry(table, defaults, found)
        table.finish()


def _read_entry(table: TomlTable, defaults: Node, found: _Found) -> None:
    written = table.text("name", required=True)
    names = _expanded(table, "name", written) if written else ()
    hosts = _for_each(table, "host", table.text("host", defaults.host) or defaults.host, names)
    address = table.text("address")
    addresses = hosts if address is None else _for_each(table, "address", address, names)
    works = _for_each(table, "work_directory", _work_directory(table, defaults), names)
    npus = table.whole("npus", defaults.npus, 1, 1024) or defaults.npus
    port, user = table.whole("port", None, 1, 65535), table.text("user")
    python = table.text("python", defaults.python) or defaults.python
    device = _device(table, defaults.device)
    worst_health = _worst_health(table, defaults.worst_health)
    groups = table.texts("groups")
    _check(table, "user", wrong_user, user or "")
    _check(table, "name", wrong_name, *names)
    taken = {node.name for node in found.nodes}
    _check(table, "name", _there_twice, *(name for name in names if name in taken))
    if hosts != names:
        _check(table, "host", wrong_host, *hosts)
    if addresses != hosts:
        _check(table, "address", wrong_host, *addresses)
    for name, host, address, work in zip(names, hosts, addresses, works, strict=True):
        found.nodes.append(Node(name, host, address, npus, work, port, user, python, device, worst_health))
        for group in groups:
            found.groups.setdefault(group, []).append(name)


def _device(table: TomlTable, default: str) -> str:
    what = _("{word!r} is nothing that the native engine computes on")
    return _one_of(table, "device", default, DEVICES, what)


def _worst_health(table: TomlTable, default: str) -> str:
    return _one_of(table, "worst_health", default, HEALTH_WORDS, _("{word!r} is no state of an NPU"))


def _one_of(table: TomlTable, key: str, default: str, words: tuple[str, ...], what: str) -> str:
    word = table.text(key, default) or default
    if word in words:
        return word
    fix = _("take one of {names}").format(names=", ".join(words))
    table.problem(key, what.format(word=word), "", fix)
    return default


def _work_directory(table: TomlTable, defaults: Node) -> str:
    own = table.text("work_directory") or ""
    _check(table, "work_directory", wrong_directory, own)
    if not (own or defaults.work_directory):
        what = _("no work_directory, here or in [fleet]")
        table.problem("work_directory", what, _("runs and what npudeck leaves on a node live in it"))
    return own or defaults.work_directory


def _there_twice(name: str) -> Wrong:
    return _("{name} is there twice").format(name=name), _("names of nodes are unique"), ""


def _check(table: TomlTable, key: str, wrong: Callable[[str], Wrong | None], *values: str) -> None:
    """One problem for all values of a key; the first that is wrong speaks for the rest. "" is none."""
    found = [problem for value in values if value and (problem := wrong(value))]
    if not found:
        return
    what, why, fix = found[0]
    if more := len(set(found)) - 1:
        words = ngettext("{what}, and {n} more like it", "{what}, and {n} more like it", more)
        what = words.format(what=what, n=more)
    table.problem(key, what, why, fix)


def _expanded(table: TomlTable, key: str, expression: str) -> tuple[str, ...]:
    try:
        return expand(expression)
    except ValueError as error:
        table.problem(key, _("{text!r} is not a node set").format(text=expression), str(error))
        return ()


def _for_each(table: TomlTable, key: str, pattern: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """One value a node: `{name}` filled in, or a node set of as many members, or the same for all."""
    if "{name}" in pattern:
        return tuple(pattern.replace("{name}", name) for name in names)
    if key == "work_directory" or len(names) < 2:
        return (pattern,) * len(names)
    values = _expanded(table, key, pattern)
    if len(values) != len(names):
        what = ngettext(
            "{pattern!r} stands for {count} host, name for {names} nodes",
            "{pattern!r} stands for {count} hosts, name for {names} nodes",
            len(values),
        )
        fix = _('use a pattern such as "{name}.cluster" or a node set of the same size')
        table.problem(key, what.format(pattern=pattern, count=len(values), names=len(names)), "", fix)
        return ("",) * len(names) if not values else (values[0],) * len(names)
    return values


def _ssh(table: TomlTable) -> SshOptions:
    default = SshOptions()
    options = SshOptions(
        user=table.text("user"),
        port=table.whole("port", None, 1, 65535),
        config=table.text("config"),
        known_hosts=table.text("known_hosts"),
        identity_files=table.texts("identity_files"),
        proxy_jump=table.text("proxy_jump"),
        connect_timeout_s=table.seconds("connect_timeout_s", default.connect_timeout_s),
    )
    if options.known_hosts == "none":
        table.problem(
            "known_hosts", _("host keys are always checked"), "", _("name a file, or leave the key out")
        )
    _check(table, "user", wrong_user, options.user or "")
    _check(table, "proxy_jump", wrong_jump, options.proxy_jump or "")
    table.finish()
    return options


def _container(value: Any, directories: Iterable[str], problems: list[Problem]) -> Container | None:
    """`directories`: what is mounted besides its own work directory."""
    if value is None:
        return None
    table = TomlTable(value, "container", problems)
    name, image = table.text("name", required=True) or "", table.text("image", required=True) or ""
    if name and not NAME.fullmatch(name):
        table.problem(
            "name", _("{name!r} is not a container name").format(name=name), _("letters, digits, . _ -")
        )
    default = Container(name, image)
    container = Container(
        name,
        image,
        table.text("work_directory", default.work_directory) or default.work_directory,
        table.text("user", default.user) or default.user,
        table.whole("cpus", default.cpus, 1, 4096) or default.cpus,
        table.text("memory", default.memory) or default.memory,
        table.text("shm_size", default.shm_size) or default.shm_size,
        table.texts("mounts"),
        table.texts("arguments"),
    )
    _check(table, "work_directory", wrong_directory, container.work_directory)
    _check_mounts(table, container, directories)
    for number, what, why in refused_arguments(container.arguments):
        table.problem(f"arguments[{number}]", what, why)
    table.finish()
    return container


def _check_mounts(table: TomlTable, container: Container, directories: Iterable[str]) -> None:
    mounted = {"/", HOME_OF_THE_IMAGE, *NPU_SMI_PLACES, *DRIVER_MOUNTS}
    mounted |= {path.rstrip("/") for path in (container.work_directory, *directories)}
    places: set[str] = set()
    for number, text in enumerate(container.mounts, start=1):
        mount = parse_mount(text)
        what = ""
        if mount is None:
            what = _("{text!r} is no mount").format(text=text)
        elif mount.inside in mounted:
            what = _("{path} of the container is taken by npudeck or the image").format(path=mount.inside)
        elif mount.inside in places:
            what = _("{path} of the container is mounted twice").format(path=mount.inside)
        if what:
            why = _("a mount is OUTSIDE:INSIDE or OUTSIDE:INSIDE:ro, of absolute paths, each place once")
            table.problem(f"mounts[{number}]", what, why)
        places.add(mount.inside if mount is not None else "")


def _groups(table: TomlTable, inventory: Inventory, found: _Found) -> tuple[tuple[str, tuple[str, ...]], ...]:
    groups: dict[str, tuple[str, ...]] = {}
    for name, expression in table.rest().items():
        if not isinstance(expression, str):
            table.problem(name, _("{key} must be {kind}").format(key=name, kind=_("a text in quotes")))
            continue
        try:
            groups[name] = node_names(expression, inventory) if expression.strip() else ()
        except InputError as error:
            for problem in error.problems:
                table.problem(name, problem.what, problem.why, problem.fix, problem.suggestion)
    for name, members in found.groups.items():
        groups[name] = tuple(dict.fromkeys([*groups.get(name, ()), *members]))
    for name in groups:
        _check(table, name, wrong_group, name)
    return tuple(groups.items())
