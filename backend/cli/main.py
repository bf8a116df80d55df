"""The command line: one file a command group, each imported light and working only when asked."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from backend.cli import diagnostics
from backend.cli.own_commands import remember_inventory
from backend.problems import Problem, Severity, UsageError
from backend.translation import _
from backend.version import VERSION

GROUPS = (
    "demo",
    "fleet",
    "health",
    "check",
    "containers",
    "launch",
    "runs",
    "train",
    "recipe",
    "models",
    "data",
    "weights",
    "parse",
)

OpenConsole = Callable[[argparse.Namespace], int]

_ABOUT_AN_ARGUMENT = re.compile(r"argument (?P<name>\S+): (?P<what>.+)", re.DOTALL)


class Misuse(SystemExit):
    """A command line that cannot be understood; said on stderr already."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(UsageError.exit_code)


class Parser(argparse.ArgumentParser):
    """Of the whole command line and of every command: an error comes with the usage of its own command."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As ever, but what this command does not know is its error, not that of the commands above."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(_("unrecognized arguments: {words}").format(words=" ".join(unknown)))
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Raises Misuse."""
        diagnostics.say(f"{self.format_usage()}{self.prog}: {_('error')}: {message}")
        about = _ABOUT_AN_ARGUMENT.fullmatch(message)
        field, what = (about["name"], about["what"]) if about else ("", message)
        fix = _("{command} --help lists what it takes").format(command=self.prog)
        raise Misuse(Problem(field, Severity.ERROR, what, "", fix))


def build_parser() -> Parser:
    """The whole command surface; costs no more than argparse itself."""
    parser = Parser(
        prog="npudeck",
        description=_("Train large language models on clusters of Ascend NPUs, from one terminal."),
        epilog=_(
            "Without a command npudeck opens the console. Exit codes: 0 done, 1 the answer is no, 2 usage, "
            "3 bad input, 4 a node, 5 this machine, 6 held by somebody else, 130 interrupted, "
            "128 + N ended by signal N, 141 nobody reads a run that goes on."
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
    diagnostics.prepare_streams()
    parser = build_parser()
    words = sys.argv[1:] if argv is None else argv
    try:
        arguments = parser.parse_args(words)
    except Misuse as misuse:
        # no arguments were made of the words: whether JSON is wanted, only they can say
        if "--json" in words:
            diagnostics.print_problems([misuse.problem], UsageError.exit_code)
        raise
    arguments.open_console = open_console
    remember_inventory(arguments.inventory)
    handler = getattr(arguments, "handler", open_console)
    if handler is None:
        parser.print_help()
        return 2
    try:
        return diagnostics.guard(lambda: int(handler(arguments)), json=getattr(arguments, "json", False))
    finally:
        remember_inventory(None)
