"""`npudeck data`: raw text to training data, and looks at both."""

from __future__ import annotations

from backend.cli import data_inspect, data_parts, data_preprocess, data_show, data_verify
from backend.cli.arguments import Commands
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    group = commands.add_parser(
        "data",
        help=_("make training data of raw data, look at both"),
        description=_("Make training data of raw data, look at both."),
    )
    actions = group.add_subparsers(dest="action", metavar=_("ACTION"), required=True)
    for module in (data_preprocess, data_inspect, data_verify, data_show, data_parts):
        module.declare(actions)
