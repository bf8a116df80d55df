"""An inventory written as TOML: what `inventory_parse` reads back to the same value."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from backend.fleet.inventory_fold import fold_nodes
from backend.fleet.inventory_parse import NPUS_PER_NODE
from backend.fleet.node_sets import expand, folded
from backend.inventory import Container, Inventory, Node, SshOptions


def inventory_to_toml(inventory: Inventory, *, fold: bool = False) -> str:
    """Every value that is not a default, one [[nodes]] a node; with `fold` one for nodes of one pattern."""
    sections = [_section("[fleet]", _fleet(inventory))]
    ssh = _differing(inventory.ssh, SshOptions())
    if ssh:
        sections.append(_section("[ssh]", ssh))
    if inventory.container is not None:
        container = [(name, getattr(inventory.container, name)) for name in Container.__slots__]
        sections.append(_section("[container]", (entry for entry in container if entry[1] != ())))
    nodes = fold_nodes(inventory.nodes) if fold else inventory.nodes
    sections.extend(_section("[[nodes]]", _node(node)) for node in nodes)
    if inventory.groups:
        sections.append(
            _section("[groups]", ((name, _members(names, fold)) for name, names in inventory.groups))
        )
    return "\n".join(sections)


def _members(names: tuple[str, ...], fold: bool) -> str:
    text = folded(names) if fold else ""
    return text if text and expand(text) == names else ",".join(names)


def _fleet(inventory: Inventory) -> list[tuple[str, Any]]:
    return [("name", inventory.name), ("shared_directory", inventory.shared_directory)]


def _node(node: Node) -> list[tuple[str, Any]]:
    values: list[tuple[str, Any]] = [("name", node.name), ("host", node.host)]
    if node.address != node.host:
        values.append(("address", node.address))
    if node.port is not None:
        values.append(("port", node.port))
    if node.user is not None:
        values.append(("user", node.user))
    if node.npus != NPUS_PER_NODE:
        values.append(("npus", node.npus))
    values.append(("work_directory", node.work_directory))
    if node.python != "python3":
        values.append(("python", node.python))
    if node.device != "npu":
        values.append(("device", node.device))
    if node.worst_health != "warning":
        values.append(("worst_health", node.worst_health))
    return values


def _differing(options: SshOptions, default: SshOptions) -> list[tuple[str, Any]]:
    values = ((name, getattr(options, name)) for name in SshOptions.__slots__)
    return [(name, value) for name, value in values if value != getattr(default, name)]


def _section(header: str, values: Iterable[tuple[str, Any]]) -> str:
    return "\n".join([header, *(f"{_key(name)} = {_value(value)}" for name, value in values), ""])


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL, which TOML does not allow as it is
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return str(value)
