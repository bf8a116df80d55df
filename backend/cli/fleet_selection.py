"""The fleet that a command is about, and the nodes of it that were named: one way for every command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from backend.inventory import Inventory, Node


def open_fleet(arguments: argparse.Namespace) -> Inventory:
    """The inventory, with what is drained. Raises `InputError`, `LocalError`."""
    from backend.fleet.drain_files import with_drained
    from backend.fleet.inventory_files import find_inventory, load_inventory
    from backend.store.state_directory_files import state_place

    return with_drained(load_inventory(find_inventory(arguments.inventory)), state_place())


def chosen_names(
    words: Sequence[str], inventory: Inventory, default: str = "all", *, may_be_none: bool = False
) -> tuple[str, ...]:
    """What the words of a command line mean together. None at all mean `default`. Raises `InputError`."""
    from backend.fleet.node_sets import node_names

    # an operator at the start of a word ties it to the words before it: `rack-a !n03`
    joined = ""
    for word in words:
        joined += word if not joined or word[:1] in tuple("!&^") else f",{word}"
    return node_names(joined if words else default, inventory, may_be_none=may_be_none)


def nodes_of(names: Iterable[str], inventory: Inventory) -> tuple[Node, ...]:
    return tuple(node for name in names if (node := inventory.node(name)) is not None)


def add_nodes(parser: argparse.ArgumentParser, words: str, nargs: str = "*") -> None:
    """The positional NODES. `words`: what it is for."""
    parser.add_argument("nodes", nargs=nargs, metavar="NODES", help=words)
