"""`npudeck fleet drain` and `undrain`: take nodes out of service, and put them back."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.flag_types import text
from backend.cli.fleet_list import drain_json, drain_words
from backend.cli.fleet_selection import add_nodes, chosen_names, open_fleet
from backend.fleet.drain_files import Drain
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the commands."""
    words = _("start nothing new on nodes; what runs there goes on")
    parser = add_command(commands, "drain", words, _drain)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets"), "+")
    parser.add_argument(
        "--reason", type=text, default="", metavar="TEXT", help=_("why, for those who come after you")
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help=_("write who, when and why anew for nodes that are drained already (default: the first stays)"),
    )
    add_json(parser)
    parser = add_command(commands, "undrain", _("put drained nodes back into service"), _undrain)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets"), "+")
    add_json(parser)


def _drain(arguments: argparse.Namespace) -> int:
    from backend.cli.diagnostics import say
    from backend.clock import RealClock
    from backend.fleet.drain_files import Drain, drain
    from backend.runs.run_site_files import actor
    from backend.store.state_directory_files import state_directory

    inventory = open_fleet(arguments)
    names = chosen_names(arguments.nodes, inventory)
    said = Drain(actor(), round(RealClock().now(), 3), " ".join(arguments.reason.split()))
    before = drain(inventory, state_directory(), names, said, anew=arguments.replace)
    fresh = [name for name in names if name not in before]
    if arguments.json:
        _print_drained(fresh, before, arguments.replace)
        return 0
    _print_names(_("drained: {names}"), fresh)
    words = _("written anew: {names}, until now {said}") if arguments.replace else ""
    _print_earlier(words or _("drained already: {names}, {said}"), before)
    if before and said.why and not arguments.replace:
        say(_("what was said first stays; --replace writes who, when and why anew"))
    return 0


def _undrain(arguments: argparse.Namespace) -> int:
    from backend.cli.output import print_json
    from backend.fleet.drain_files import undrain
    from backend.store.state_directory_files import state_directory

    inventory = open_fleet(arguments)
    names = chosen_names(arguments.nodes, inventory)
    back = undrain(inventory, state_directory(), names)
    same = [name for name in names if name not in back]
    if arguments.json:
        print_json({"changed": list(back), "unchanged": same})
        return 0
    _print_names(_("in service again: {names}"), back)
    _print_names(_("not drained: {names}"), same)
    return 0


def _print_drained(fresh: list[str], before: dict[str, Drain], anew: bool) -> None:
    from backend.cli.output import print_json

    print_json(
        {
            "changed": [*fresh, *(before if anew else ())],
            "unchanged": [] if anew else list(before),
            "drained_before": {name: drain_json(entry) for name, entry in before.items()},
        }
    )


def _print_names(words: str, names: Sequence[str]) -> None:
    from backend.cli.output import print_line
    from backend.fleet.node_sets import folded

    if names:
        print_line(words.format(names=folded(names)))


def _print_earlier(words: str, before: dict[str, Drain]) -> None:
    """Nodes of one entry on one line."""
    from backend.cli.diagnostics import printable
    from backend.cli.output import print_line
    from backend.fleet.node_sets import folded

    for entry in dict.fromkeys(before.values()):
        names = folded(name for name, said in before.items() if said == entry)
        print_line(words.format(names=names, said=printable(drain_words(entry))))
