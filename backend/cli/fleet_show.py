"""`npudeck fleet show NODE`: everything that is known of one node, and what it says of itself now."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import asdict
from typing import Any

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.fleet_list import drain_words, node_json
from backend.cli.fleet_selection import chosen_names, nodes_of, open_fleet
from backend.fleet.host_keys import HostKey
from backend.fleet.leases import Lease
from backend.fleet.node_facts import NodeFacts
from backend.inventory import Inventory, Node
from backend.problems import InputError, NpudeckError, Problem
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "show", _("show all that is known of one node, and ask it"), _show)
    add_inventory(parser)
    parser.add_argument("node", metavar="NODE", help=_("its name"))
    add_json(parser)


def _show(arguments: argparse.Namespace) -> int:
    """Exit code 4 when the node cannot be asked; what the inventory says is shown all the same."""
    from backend.cli.diagnostics import say_problem
    from backend.cli.output import print_json
    from backend.fleet.drain_files import drains_of
    from backend.store.state_directory_files import state_place

    inventory = open_fleet(arguments)
    names = chosen_names([arguments.node], inventory)
    if len(names) != 1:
        raise InputError.because(
            _("{text!r} are {count} nodes").format(text=arguments.node, count=len(names)),
            fix=_("`npudeck fleet list` shows many"),
            field="node",
        )
    [node] = nodes_of(names, inventory)
    key, facts, leases, problems = asyncio.run(_ask(inventory, node))
    said = node_json(node, inventory, drains_of(inventory, state_place()).get(node.name))
    document = said | {
        "host_key": asdict(key),
        "facts": None if facts is None else asdict(facts),
        "leases": [asdict(lease) | {"over": lease.over} for lease in leases],
        "problems": [problem.to_json() for problem in problems],
    }
    if arguments.json:
        print_json(document)
    else:
        _print(document, facts)
        for problem in problems:
            say_problem(problem)
    return 4 if problems else 0


async def _ask(
    inventory: Inventory, node: Node
) -> tuple[HostKey, NodeFacts | None, tuple[Lease, ...], tuple[Problem, ...]]:
    from backend.fleet.host_keys_client import HostKeys
    from backend.fleet.leases import leases_of
    from backend.fleet.node_facts import facts_argv, parse_facts
    from backend.fleet.ssh_client import SshTransport

    looking, transport = HostKeys(inventory.ssh), SshTransport(inventory.ssh)
    try:
        [key] = await looking.of_nodes([node])
        argv = facts_argv(node.work_directory, inventory.shared_directory)
        facts = parse_facts((await transport.run(node, argv)).text())
        return key, facts, await leases_of(transport, node), ()
    except NpudeckError as error:
        return key, None, (), error.problems
    finally:
        await transport.close()
        await looking.close()


def _print(document: dict[str, Any], facts: NodeFacts | None) -> None:
    from backend.cli.diagnostics import printable
    from backend.cli.output import print_line
    from backend.cli.streams import terminal_width
    from backend.cli.word_wrap import hang

    for name, text in _rows(document, facts):
        for line in hang(f"{name:<18} ", printable(text), terminal_width(sys.stdout), 19):
            print_line(line)


def _rows(document: dict[str, Any], facts: NodeFacts | None) -> list[tuple[str, str]]:
    from backend.fleet.drain_files import Drain
    from backend.number_words import size, span

    key, drained = document["host_key"], document["drained"]
    where = "@".join(filter(None, [document["user"], document["host"]]))
    rows = [
        (_("node"), document["node"]),
        (_("SSH"), f"{where}:{document['port']}" if document["port"] else where),
        (_("host key"), f"{key['state']} {key['algorithm']} {key['fingerprint'] or key['reason']}".strip()),
        (_("address"), document["address"]),
        (_("NPUs"), f"{document['npus']} ({document['device']})"),
        (_("work directory"), document["work_directory"]),
        (_("groups"), ", ".join(document["groups"]) or "-"),
        (_("drained"), drain_words(Drain(**drained)) if drained else _("no")),
    ]
    if facts is None:
        return rows
    rows += [
        (_("it calls itself"), f"{facts.host}, {facts.system}, {facts.user}"),
        (_("up for"), span(facts.up_s) if facts.up_s is not None else "-"),
        (_("load"), facts.load or "-"),
        (_("room there"), size(facts.free_kb * 1024) if facts.free_kb is not None else "-"),
        (_("work directory is"), _("there") if facts.work_directory else _("missing")),
        (_("shared one is"), _("there") if facts.shared_directory else _("missing")),
    ]
    held = [f"{lease['device']}: {lease['run_key']} ({lease['state']})" for lease in document["leases"]]
    return [*rows, (_("leases"), ", ".join(held) or _("free"))]
