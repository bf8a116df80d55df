"""`npudeck health`: ask every node once, or again and again, and say what is wrong first."""

from __future__ import annotations

import argparse

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.flag_types import seconds
from backend.cli.fleet_selection import add_nodes
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    parser = add_command(commands, "health", _("show the health of every NPU, problems first"), _health)
    add_inventory(parser)
    add_nodes(parser, _('nodes or node sets, e.g. "n[01-04]", rack1 or "!drained" (default: all)'))
    parser.add_argument("--watch", action="store_true", help=_("ask again and again until interrupted"))
    parser.add_argument(
        "--interval", type=seconds, default=5.0, metavar="S", help=_("seconds between rounds (default 5)")
    )
    # npu-smi is given up after 10 s on the node: a node that says so has been reached
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=15.0,
        metavar="S",
        help=_("seconds to wait for a node (default 15)"),
    )
    parser.add_argument(
        "--deep",
        action="store_true",
        help=_("ask also for memory errors, clocks, links, optics and versions; takes a node about 20 s"),
    )
    add_json(parser)


def _health(arguments: argparse.Namespace) -> int:
    """Exit code 0: all well; 1: something is wrong, unknown or not answered; 4: a node not reached."""
    import asyncio

    from backend.cli.fleet_selection import chosen_names, open_fleet
    from backend.cli.health_rounds import rounds

    inventory = open_fleet(arguments)
    names = chosen_names(arguments.nodes, inventory)
    return asyncio.run(rounds(arguments, inventory, names))
