"""`npudeck check`: is every node ready for a run, and what to do where it is not."""

from __future__ import annotations

import argparse

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.flag_types import positive
from backend.problems import UsageError
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the command."""
    words = _("ask every node whether it is ready for a run, and put right what can be")
    parser = add_command(commands, "check", words, _check)
    add_inventory(parser)
    parser.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help=_("recipe file: its data, weights, engine and NPUs are checked too"),
    )
    parser.add_argument(
        "--nodes",
        metavar="NODES",
        help=_(
            "node set, in rank order (default: those a launch would take; without one all but the drained)"
        ),
    )
    parser.add_argument(
        "--port",
        type=positive,
        metavar="PORT",
        help=_("where the ranks would meet on the first node (default: one that a launch might take)"),
    )
    parser.add_argument(
        "--deep",
        action="store_true",
        help=_("also try how fast checkpoints are written: at most 256 MB for 3 s, of which nothing is left"),
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help=_("put right what is safe to, after every command was shown and allowed"),
    )
    parser.add_argument("--yes", action="store_true", help=_("with --fix: do not ask"))
    add_json(parser)


def _check(arguments: argparse.Namespace) -> int:
    """Exit code 0: nothing is wrong (warnings do not count); 1: something is; 4: a node was not reached."""
    import asyncio

    from backend.cli.check_rounds import rounds
    from backend.cli.check_setting import setting_of
    from backend.cli.fleet_selection import open_fleet

    if arguments.yes and not arguments.fix:
        raise UsageError.because(_("--yes answers what --fix asks"), fix=_("give both, or none"))
    if arguments.port is not None and arguments.port > 65_535:
        raise UsageError.because(_("{port} is no port").format(port=arguments.port))
    inventory = open_fleet(arguments)
    setting, planned = setting_of(arguments, inventory)
    return asyncio.run(rounds(arguments, inventory, setting, planned))
