"""A report on stdout: as JSON, or the lines that say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backend.cli.output import print_json, print_line, unread


def print_report(report: Any, lines: Iterable[str], *, json: bool) -> None:
    """`lines`: for people; not looked at when it is JSON."""
    if json:
        print_json(report)
        return
    for line in lines:
        print_line(line)
        if unread():
            return
