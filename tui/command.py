"""The entry point `npudeck`: the command line, with the screens handed in for when no command is named."""

from __future__ import annotations

import argparse
import sys

from backend.cli.main import main as run_command_line


def open_console(arguments: argparse.Namespace) -> int:
    """Open the screens. Textual is imported here and not before: commands stay fast."""
    from tui.app import run_console

    return run_console(arguments.inventory, getattr(arguments, "recipe", None))


def main() -> None:
    sys.exit(run_command_line(open_console=open_console))
