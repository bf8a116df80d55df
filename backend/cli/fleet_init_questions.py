"""What `npudeck fleet init` asks where nothing was said and somebody sits there."""

from __future__ import annotations

import argparse
import sys

from backend.cli.diagnostics import say
from backend.cli.fleet_init_inventory import NPUS, WORK_DIRECTORY
from backend.translation import _


def ask(arguments: argparse.Namespace) -> None:
    """Fill in what was not given. Raises `KeyboardInterrupt` when the answers end."""
    say(_("Nothing is written before the last answer; Enter takes what stands in brackets."))
    while not arguments.nodes:
        arguments.nodes = _answer(_("nodes, e.g. n[01-64] or n01,n02"), "").split()
    arguments.host = arguments.host or _answer(_("what SSH connects to, {name} is the node's name"), "{name}")
    arguments.user = arguments.user or _answer(_("who logs in"), _("as SSH is configured"), given="")
    while arguments.npus is None:
        said = _answer(_("NPUs of a node"), str(NPUS))
        arguments.npus = int(said) if said.isascii() and said.isdecimal() and int(said) else None
    work = arguments.work_directory or _answer(_("work directory, private to each node"), WORK_DIRECTORY)
    arguments.work_directory = work
    arguments.shared_directory = arguments.shared_directory or _answer(
        _("shared directory, seen by every node"), work
    )


def _answer(question: str, default: str, given: str | None = None) -> str:
    """`given`: what Enter means, where that is not what is shown."""
    brackets = f" [{default}]" if default else ""
    # stdout is for data alone
    sys.stderr.write(f"{question}{brackets}: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        say("")
        raise KeyboardInterrupt
    return line.strip() or (default if given is None else given)
