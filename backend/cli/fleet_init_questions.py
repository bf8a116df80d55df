"""What `npudeck fleet init` asks where nothing was said and somebody sits there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from backend.cli.diagnostics import say, say_problem
from backend.cli.flag_types import positive
from backend.cli.fleet_init_inventory import NPUS, WORK_DIRECTORY, from_arguments
from backend.problems import NpudeckError, Problem, Severity
from backend.translation import _


@dataclass(frozen=True, slots=True)
class _Question:
    """`flag`: where `from_arguments` points when the answer is wrong; `enter`: what Enter means, where the
    brackets do not show it.
    """

    attribute: str
    flag: str
    words: str
    default: str
    enter: str | None = None
    read: Callable[[str], Any] = str


def ask(arguments: argparse.Namespace) -> None:
    """Fill in what was not given; each answer is judged before the next question. Raises `KeyboardInterrupt`
    when the answers end, and `InputError`, `UsageError` for what was given as a flag.
    """
    say(_("Nothing is written before the last answer; Enter takes what stands in brackets."))
    asked = [question for question in _questions() if not getattr(arguments, question.attribute)]
    for number, question in enumerate(asked):
        if question.attribute == "shared_directory" and "{name}" not in arguments.work_directory:
            question = replace(question, default=arguments.work_directory)
        to_come = {later.flag for later in asked[number + 1 :]}
        while not _settled(arguments, question, to_come):
            pass


def _questions() -> tuple[_Question, ...]:
    return (
        _Question("nodes", "nodes", _("nodes, e.g. n[01-64] or n01,n02"), "", read=str.split),
        _Question("host", "--host", _("what SSH connects to, {name} is the node's name"), "{name}"),
        _Question("user", "--user", _("who logs in"), _("as SSH is configured"), ""),
        _Question("npus", "--npus", _("NPUs of a node"), str(NPUS), read=positive),
        _Question(
            "work_directory", "--work-directory", _("work directory, private to each node"), WORK_DIRECTORY
        ),
        _Question("shared_directory", "--shared-directory", _("shared directory, seen by every node"), ""),
    )


def _settled(arguments: argparse.Namespace, question: _Question, to_come: set[str]) -> bool:
    """Ask once; False, with the reason said, where the answer cannot be."""
    answer = _answer(question.words, question.default, question.enter)
    if not (answer or question.enter == ""):
        return False
    try:
        setattr(arguments, question.attribute, question.read(answer))
        from_arguments(arguments)
    except argparse.ArgumentTypeError as error:
        say_problem(Problem("", Severity.ERROR, str(error)))
        return False
    except NpudeckError as error:
        wrong = [problem for problem in error.problems if problem.field == question.flag]
        if any(problem.field not in to_come for problem in error.problems if problem not in wrong):
            raise
        for problem in wrong:
            say_problem(replace(problem, field=""))
        return not wrong
    return True


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
