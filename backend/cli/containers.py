"""`npudeck containers …`: the guide's container on every node."""

from __future__ import annotations

import argparse

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.flag_types import positive, seconds
from backend.cli.fleet_run import take_command
from backend.cli.fleet_selection import add_nodes, chosen_names, nodes_of, open_fleet
from backend.problems import UsageError
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    words = _("start, stop and see the container of each node, and run commands in it")
    parser: argparse.ArgumentParser = commands.add_parser("containers", help=words, description=words)
    parts = parser.add_subparsers(
        title=_("commands"), dest="containers_command", metavar=_("COMMAND"), required=True
    )
    _register_status(parts)
    _register_start(parts)
    _register_stop(parts)
    _register_exec(parts)


def _register_status(parts: Commands) -> None:
    words = _("show the container of each node, what is wrong with it, and others on its NPUs")
    parser = add_command(parts, "status", words, _status)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets (default: all)"))
    _add_npus(parser)
    add_json(parser)


def _register_start(parts: Commands) -> None:
    words = _("start the container where it does not run, with the guide's `docker run`")
    parser = add_command(parts, "start", words, _start)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets"), "+")
    _add_npus(parser)
    parser.add_argument("--dry-run", action="store_true", help=_("show the commands, and run none"))
    add_json(parser)


def _register_stop(parts: Commands) -> None:
    words = _("stop the container and everything in it; refused while a run holds the node")
    parser = add_command(parts, "stop", words, _stop)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets"), "+")
    parser.add_argument(
        "--grace", type=positive, default=10, metavar="S", help=_("seconds it gets to end (default 10)")
    )
    parser.add_argument("--remove", action="store_true", help=_("remove it too, so that it can be made anew"))
    parser.add_argument("--force", action="store_true", help=_("also while a run holds the node"))
    parser.add_argument("--dry-run", action="store_true", help=_("show the commands, and run none"))
    add_json(parser)


def _register_exec(parts: Commands) -> None:
    words = _("run a command in the container of each node; on the node itself where there is none")
    parser = add_command(parts, "exec", words, _exec)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets"), "+")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="S",
        help=_("seconds a node may take; then the command is ended there (default 60)"),
    )
    add_json(parser)
    parser.usage = _("npudeck containers exec [options] NODES [NODES ...] -- COMMAND [ARGUMENT ...]")
    take_command(parser)


def _add_npus(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--npus",
        type=positive,
        metavar="N",
        help=_("the first N NPUs of each node (default: as many as the inventory says)"),
    )


def _status(arguments: argparse.Namespace) -> int:
    """Exit code 0: it runs well everywhere; 1: somewhere not; 4: a node or its docker gave no answer."""
    from backend.cli.containers_work import run_status

    return run_status(arguments)


def _start(arguments: argparse.Namespace) -> int:
    """Exit code 0: it runs everywhere; 1: it could not be started somewhere; 4: as above."""
    from backend.cli.containers_work import run_start

    return run_start(arguments)


def _stop(arguments: argparse.Namespace) -> int:
    """Exit code 0: it runs nowhere; 4: a node or its docker gave no answer; 6: a run holds a node."""
    from backend.cli.containers_work import run_stop

    return run_stop(arguments)


def _exec(arguments: argparse.Namespace) -> int:
    """The exit codes of `npudeck fleet run`."""
    import asyncio

    from backend.cli.fleet_run_rounds import run_everywhere

    if not arguments.argv:
        raise UsageError.because(
            _("there is no command"), fix=_("npudeck containers exec NODES -- COMMAND [ARGUMENT ...]")
        )
    inventory = open_fleet(arguments)
    arguments.inside = inventory.container is not None
    arguments.keep, arguments.at_once = 256, 64
    nodes = nodes_of(chosen_names(arguments.nodes, inventory), inventory)
    return asyncio.run(run_everywhere(arguments, inventory, nodes))
