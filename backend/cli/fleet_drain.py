"""`npudeck fleet drain` and `undrain`: take nodes out of service, and put them back."""

from __future__ import annotations

import argparse

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.fleet_selection import add_nodes, chosen_names, open_fleet
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the commands."""
    words = _("start nothing new on nodes; what runs there goes on")
    parser = add_command(commands, "drain", words, _drain)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets"), "+")
    parser.add_argument("--reason", default="", metavar="TEXT", help=_("why, for those who come after you"))
    add_json(parser)
    parser = add_command(commands, "undrain", _("put drained nodes back into service"), _undrain)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets"), "+")
    add_json(parser)


def _drain(arguments: argparse.Namespace) -> int:
    from backend.clock import RealClock
    from backend.fleet.drain_files import Drain, drain
    from backend.runs.run_site_files import actor
    from backend.store.state_directory_files import state_directory

    inventory = open_fleet(arguments)
    names = chosen_names(arguments.nodes, inventory)
    said = Drain(actor(), round(RealClock().now(), 3), " ".join(arguments.reason.split()))
    fresh = drain(inventory, state_directory(), names, said)
    return _report(arguments, _("drained: {names}"), _("drained already: {names}"), names, fresh)


def _undrain(arguments: argparse.Namespace) -> int:
    from backend.fleet.drain_files import undrain
    from backend.store.state_directory_files import state_directory

    inventory = open_fleet(arguments)
    names = chosen_names(arguments.nodes, inventory)
    back = undrain(inventory, state_directory(), names)
    return _report(arguments, _("in service again: {names}"), _("not drained: {names}"), names, back)


def _report(
    arguments: argparse.Namespace, done: str, nothing: str, names: tuple[str, ...], changed: tuple[str, ...]
) -> int:
    from backend.cli.output import print_json, print_line
    from backend.fleet.node_sets import folded

    same = [name for name in names if name not in changed]
    if arguments.json:
        print_json({"changed": list(changed), "unchanged": same})
        return 0
    if changed:
        print_line(done.format(names=folded(changed)))
    if same:
        print_line(nothing.format(names=folded(same)))
    return 0
