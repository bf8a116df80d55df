"""Nodes that follow one pattern, as one [[nodes]] of an inventory: `n[01-64]` and not 64 of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from backend.fleet.node_sets import expand, folded
from backend.inventory import Node


def fold_nodes(nodes: Sequence[Node]) -> list[Node]:
    """Nodes whose names, hosts and addresses are node sets; they stand for exactly `nodes`, in this order."""
    entries: list[Node] = []
    for _same, group in itertools.groupby(nodes, _pattern):
        members = list(group)
        entry = _folded(members) if len(members) > 1 else None
        entries.extend([entry] if entry is not None else members)
    return entries


def _pattern(node: Node) -> Node:
    """What two nodes must have in common to stand on one line."""
    return replace(node, name="", host=_of_name(node.host, node), address="", work_directory=_work(node))


def _of_name(text: str, node: Node) -> str:
    """`{name}.cluster` for n01.cluster, "" for a host that has nothing to do with the name."""
    return "{name}" + text.removeprefix(node.name) if text.startswith(node.name) else ""


def _work(node: Node) -> str:
    return node.work_directory.replace(f"/{node.name}", "/{name}")


def _folded(members: list[Node]) -> Node | None:
    first = members[0]
    name = _fold(node.name for node in members)
    host = _of_name(first.host, first) or _fold(node.host for node in members)
    same = all(node.address == node.host for node in members)
    address = host if same else _fold(node.address for node in members)
    if not (name and host and address):
        return None
    return replace(first, name=name, host=host, address=address, work_directory=_work(first))


def _fold(words: Iterable[str]) -> str:
    """One node set for exactly these words in this order; "" when there is none."""
    listed = list(words)
    try:
        text = folded(listed)
        # a comma outside brackets would be two sets, which a person reads no faster than two entries
        return text if "," not in text.partition("[")[0] and expand(text) == tuple(listed) else ""
    except ValueError:
        return ""
