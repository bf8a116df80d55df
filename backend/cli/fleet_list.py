"""`npudeck fleet list`: the nodes of the inventory, and which of them are drained. Nobody is asked."""

from __future__ import annotations

import argparse
import time
from typing import Any

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.fleet_selection import add_nodes, chosen_names, nodes_of, open_fleet
from backend.fleet.drain_files import Drain
from backend.inventory import Inventory, Node
from backend.translation import _, ngettext


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "list", _("list the nodes, their groups, and who drained which"), _list)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets (default: all)"))
    add_json(parser)


def _list(arguments: argparse.Namespace) -> int:
    from backend.cli.diagnostics import printable
    from backend.cli.output import print_json, print_line, print_table
    from backend.fleet.drain_files import drains_of
    from backend.store.state_directory_files import state_place

    inventory = open_fleet(arguments)
    nodes = nodes_of(chosen_names(arguments.nodes, inventory, may_be_none=True), inventory)
    drains = drains_of(inventory, state_place())
    if arguments.json:
        listed = [node_json(node, inventory, drains.get(node.name)) for node in nodes]
        print_json({"fleet": inventory.name, "inventory": inventory.path, "nodes": listed})
        return 0
    if not nodes:
        print_line(_("no node"))
        return 0
    columns = (_("NODE"), _("HOST"), _("ADDRESS"), _("NPUS"), _("GROUPS"), _("DRAINED"))
    print_table(columns, [tuple(map(printable, _row(node, inventory, drains))) for node in nodes])
    print_line()
    out = sum(node.name in inventory.drained for node in nodes)
    count = ngettext("{n} node", "{n} nodes", len(nodes)).format(n=len(nodes))
    npus = sum(node.npus for node in nodes)
    print_line(_("{count}, {npus} NPUs, {out} drained").format(count=count, npus=npus, out=out))
    return 0


def node_json(node: Node, inventory: Inventory, drained: Drain | None) -> dict[str, Any]:
    """What the inventory and the operators say of a node."""
    return {
        "node": node.name,
        "host": node.host,
        "port": node.port or inventory.ssh.port,
        "user": node.user or inventory.ssh.user,
        "address": node.address,
        "npus": node.npus,
        "device": node.device,
        "work_directory": node.work_directory,
        "groups": groups_of(node, inventory),
        "drained": None if drained is None else drain_json(drained),
    }


def groups_of(node: Node, inventory: Inventory) -> list[str]:
    return [name for name, members in inventory.groups if node.name in members]


def drain_json(drained: Drain) -> dict[str, Any]:
    return {"by": drained.by, "at": drained.at, "why": drained.why}


def drain_words(drained: Drain) -> str:
    """`by ann@gate 2023-11-14 22:13 UTC: ECC`"""
    since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(drained.at))
    text = _("by {by} {since}").format(by=drained.by, since=since)
    return f"{text}: {drained.why}" if drained.why else text


def _row(node: Node, inventory: Inventory, drains: dict[str, Drain]) -> tuple[str, ...]:
    place = node.host if node.port is None else f"{node.host}:{node.port}"
    drained = drains.get(node.name)
    return (
        node.name,
        place,
        node.address,
        str(node.npus),
        ",".join(groups_of(node, inventory)) or "-",
        drain_words(drained) if drained else "-",
    )
