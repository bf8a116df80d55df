"""Values of flags and of variables that many commands read: paths, counts."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TypeVar

from backend.problems import InputError, NpudeckError
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


def text(words: str) -> str:
    """Words that are kept in a file or shown to others: of characters, not of bytes that mean none."""
    try:
        words.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(_("{text!r} is not UTF-8 text").format(text=words)) from error
    return words


def folder(text: str) -> str:
    """A path that is not empty."""
    if not text:
        raise argparse.ArgumentTypeError(_("the name of the folder is empty"))
    return path(text)


def whole(text: str) -> int:
    """A number of ASCII digits alone. Raises ValueError."""
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text)


def real(text: str) -> float:
    """A number as it is written in a configuration: no digits of other scripts, no `_`. Raises ValueError."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    try:
        number = whole(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(_("{text!r} is not a whole number of 1 or more").format(text=text))
    return number


def seconds(text: str) -> float:
    """A span of time from a tenth of a second to an hour."""
    try:
        value = real(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(
            _("{text!r} is not a number of seconds (0.1 to 3600)").format(text=text)
        )
    return value


def variable(
    kind: Callable[[str], Value],
    name: str,
    text: str,
    fix: str = "",
    error_kind: type[NpudeckError] = InputError,
) -> Value:
    """The text of the variable `name`, read as a flag's value is. Raises `error_kind`."""
    try:
        return kind(text)
    except argparse.ArgumentTypeError as error:
        raise error_kind.because(str(error), "", fix, field=name) from error
