"""Values of flags and of variables that many commands read: paths, counts."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TypeVar

from backend.problems import InputError
from backend.translation import _

Value = TypeVar("Value")


def path(text: str) -> str:
    """A path; `~` at its start, which a shell leaves alone in `--flag=~/x` and in quotes, is a home."""
    expanded = os.path.expanduser(text)  # noqa: PTH111 - Path would take away a slash at the end
    if expanded.startswith("~"):
        words = _(
            "{text!r} begins with the home folder of nobody here; write ./{text} where that is its name"
        )
        raise argparse.ArgumentTypeError(words.format(text=text))
    return expanded


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(_("{text!r} is not a whole number of 1 or more").format(text=text))
    return int(text)


def variable(kind: Callable[[str], Value], name: str, text: str, fix: str = "") -> Value:
    """The text of the variable `name`, read as a flag's value is. Raises InputError."""
    try:
        return kind(text)
    except argparse.ArgumentTypeError as error:
        raise InputError.because(str(error), "", fix, field=name) from error
