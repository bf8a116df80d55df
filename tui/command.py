"""The entry point `npudeck`: the command line, with the screens handed in for when no command is named."""

from __future__ import annotations

import argparse
import signal
import sys


def open_console(arguments: argparse.Namespace) -> int:
    """Open the screens. Textual is imported here and not before: commands stay fast. Raises `UsageError`."""
    from backend.cli.own_commands import remember_inventory
    from backend.cli.terminal import require_terminal
    from backend.translation import _

    require_terminal(
        _("npudeck health, npudeck runs list, npudeck launch need no screen; npudeck --help lists all")
    )
    # a demo is a fleet of its own, named or not
    remember_inventory(arguments.inventory)
    from tui.app import run_console

    return run_console(arguments.inventory, getattr(arguments, "recipe", None))


def main() -> None:
    """Run the command line; Ctrl-C ends in exit code 130 from the first import to the last line."""
    try:
        from backend.cli.main import main as run_command_line

        code = run_command_line(open_console=open_console)
    except KeyboardInterrupt:
        code = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
