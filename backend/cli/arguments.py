"""What the command groups share: how a subcommand is declared, and the global options they read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Protocol

from backend.translation import _

Handler = Callable[[argparse.Namespace], int]


class Commands(Protocol):
    """argparse's subparsers, as much of them as we use."""

    def add_parser(self, name: str, **keywords: Any) -> argparse.ArgumentParser: ...


def add_command(commands: Commands, name: str, help: str, handler: Handler) -> argparse.ArgumentParser:
    """A subcommand; `handler` imports its room when it runs, so that --help stays fast."""
    parser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(handler=handler)
    return parser


def add_inventory(parser: argparse.ArgumentParser) -> None:
    """`-i` after the command means the same as before it."""
    words = _("inventory file, the same as before the command")
    parser.add_argument("-i", "--inventory", metavar="FILE", default=argparse.SUPPRESS, help=words)


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help=_("print JSON on stdout"))
