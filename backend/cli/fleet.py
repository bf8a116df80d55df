"""`npudeck fleet …`: describe the fleet, know its nodes, prepare them."""

from __future__ import annotations

import argparse
import importlib

from backend.cli.arguments import Commands
from backend.translation import _

_PARTS = ("init", "trust", "list", "show", "drain", "run", "lease", "push")


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    words = _("describe the fleet, see its nodes, run commands on them, bring code and data to them")
    parser: argparse.ArgumentParser = commands.add_parser("fleet", help=words, description=words)
    parts = parser.add_subparsers(
        title=_("commands"), dest="fleet_command", metavar=_("COMMAND"), required=True
    )
    for part in _PARTS:
        importlib.import_module(f"backend.cli.fleet_{part}").register(parts)
