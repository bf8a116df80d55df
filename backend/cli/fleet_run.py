"""`npudeck fleet run NODES -- COMMAND`: the same on every node, equal answers shown once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.flag_types import positive, seconds
from backend.cli.fleet_selection import chosen_names, nodes_of, open_fleet
from backend.problems import UsageError
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "run", _("run a command on nodes and gather the answers by equality"), _run
    )
    add_inventory(parser)
    parser.add_argument("nodes", nargs="+", metavar="NODES", help=_("nodes, groups or node sets"))
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="S",
        help=_("seconds a node may take; then the command is ended there (default 60)"),
    )
    parser.add_argument(
        "--keep",
        type=positive,
        default=256,
        metavar="KB",
        help=_("of each node's output so much is kept, half from its start, half from its end (default 256)"),
    )
    parser.add_argument(
        "--at-once", type=positive, default=64, metavar="N", help=_("nodes at once (default 64)")
    )
    parser.add_argument(
        "--inside", action="store_true", help=_("in the inventory's container, not on the host")
    )
    add_json(parser)
    parser.usage = _("npudeck fleet run [options] NODES [NODES ...] -- COMMAND [ARGUMENT ...]")
    take_command(parser)


def take_command(parser: argparse.ArgumentParser) -> None:
    """Everything behind the first `--` goes into `argv` as it is: argparse would drop a second `--` of it."""
    parse = parser.parse_known_args

    def parse_known_args(args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        words: Sequence[str] = sys.argv[1:] if args is None else args
        place = words.index("--") if "--" in words else len(words)
        found, unknown = parse(words[:place], namespace)
        found.argv = list(words[place + 1 :])
        return found, unknown

    parser.parse_known_args = parse_known_args  # type: ignore[method-assign]


def _run(arguments: argparse.Namespace) -> int:
    """Exit code 0: 0 everywhere; 1: another somewhere; 4: a node not reached, or too late."""
    import asyncio

    from backend.cli.fleet_run_rounds import run_everywhere

    if not arguments.argv:
        raise UsageError.because(
            _("there is no command"),
            _("it stands behind `--`, so that its own options are left to it"),
            _("npudeck fleet run NODES -- COMMAND; a pipe needs a shell: -- sh -c 'ps ax | wc -l'"),
        )
    inventory = open_fleet(arguments)
    if arguments.inside and inventory.container is None:
        raise UsageError.because(
            _("the inventory names no container"), fix=_("leave --inside out, or write [container]")
        )
    nodes = nodes_of(chosen_names(arguments.nodes, inventory), inventory)
    return asyncio.run(run_everywhere(arguments, inventory, nodes))
