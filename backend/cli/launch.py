"""`npudeck launch`."""

from __future__ import annotations

from backend.cli.arguments import Commands


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
