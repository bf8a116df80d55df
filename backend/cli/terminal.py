"""Whether there is a terminal that the console can be drawn on."""

from __future__ import annotations

import os
import sys

from backend.problems import UsageError
from backend.translation import _

# of terminals that say themselves that they obey no escape sequence
_WITHOUT_SCREEN = ("dumb", "unknown")


def require_terminal(instead: str) -> None:
    """`instead`: what to do without one. Raises `UsageError` before a screen is drawn into a pipe or a file.

    Textual reads keys from stdin and draws on stderr; what is said after it goes to stdout. A console in a
    browser (TEXTUAL_DRIVER, which textual-serve sets) needs none of them.
    """
    if os.environ.get("TEXTUAL_DRIVER"):
        return
    names = {
        _("standard input"): sys.stdin,
        _("standard output"): sys.stdout,
        _("standard error"): sys.stderr,
    }
    for name, stream in names.items():
        if stream is None or not stream.isatty():
            what = _("the console needs a terminal, and {stream} is none").format(stream=name)
            raise UsageError.because(what, fix=instead)
    if (term := os.environ.get("TERM", "")) in _WITHOUT_SCREEN:
        what = _("the console needs a terminal with a screen, and TERM is {term}").format(term=term)
        raise UsageError.because(what, fix=instead)
