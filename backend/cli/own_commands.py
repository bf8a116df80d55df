"""Commands of npudeck that a text suggests: they can be pasted anywhere and are about the same fleet."""

from __future__ import annotations

import re
import shlex

# those that are about a fleet; runs and files are found without its inventory
_ABOUT_A_FLEET = re.compile(r"(?<![\w./-])npudeck (?=(?:check|containers|fleet(?! init)|health|launch)\b)")


class _Named:
    """The inventory that this command line names; $NPUDECK_INVENTORY stays set in the shell."""

    inventory: str | None = None


def remember_inventory(path: str | None) -> None:
    """What `-i` said, once at the start of a command; a relative path means another file elsewhere."""
    if path is None:
        _Named.inventory = None
        return
    # most commands name no inventory, and --help shall not wait for this
    from pathlib import Path

    try:
        _Named.inventory = str(Path(path).absolute())
    except OSError:  # the current directory is gone
        _Named.inventory = path


def pasteable(text: str) -> str:
    """`text` of our own, its commands with the `-i FILE` that this one was given."""
    if _Named.inventory is None:
        return text
    program = f"npudeck -i {shlex.quote(_Named.inventory)} "
    return _ABOUT_A_FLEET.sub(lambda _found: program, text)
