"""The command line: one file a command group, each imported light and working only when asked."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence

from backend.cli import diagnostics
from backend.translation import _
from backend.version import VERSION

GROUPS = ("demo", "health", "launch", "runs", "recipe", "models", "data", "parse")

OpenConsole = Callable[[argparse.Namespace], int]


def build_parser() -> argparse.ArgumentParser:
    """The whole command surface; costs no more than argparse itself."""
    parser = argparse.ArgumentParser(
        prog="npudeck",
        description=_("Train large language models on clusters of Ascend NPUs, from one terminal."),
        epilog=_(
            "Without a command npudeck opens the console. Exit codes: 0 done, 1 the answer is no, 2 usage, "
            "3 bad input, 4 a node, 5 this machine, 6 held by somebody else, 130 interrupted."
        ),
    )
    parser.add_argument("--version", action="version", version=f"npudeck {VERSION}")
    parser.add_argument(
        "-i",
        "--inventory",
        metavar="FILE",
        default=None,
        help=_("inventory file (default: $NPUDECK_INVENTORY, else ./npudeck.toml)"),
    )
    commands = parser.add_subparsers(title=_("commands"), dest="command", metavar=_("COMMAND"))
    for group in GROUPS:
        importlib.import_module(f"backend.cli.{group}").register(commands)
    return parser


def main(argv: Sequence[str] | None = None, open_console: OpenConsole | None = None) -> int:
    """Run one command; `open_console` is what runs when none is named (the screens are handed in)."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    arguments.open_console = open_console
    handler = getattr(arguments, "handler", open_console)
    if handler is None:
        parser.print_help()
        return 2
    return diagnostics.guard(lambda: int(handler(arguments)), json=getattr(arguments, "json", False))
