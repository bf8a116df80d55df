"""What one question of a check is, and what its answer means. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from backend.fleet.transport import Completed
from backend.problems import Problem, Severity

_LONGEST = 200


class Status(StrEnum):
    """`unknown`: asked, and no answer that can be used; `skipped`: not asked, for a reason that is said."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Place(StrEnum):
    """Where a question is asked: on the machine, or where runs live (its container, where it has one)."""

    HOST = "host"
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class Repair:
    """A command for the host that puts something right. `as_root`: it takes root's rights there.

    `safe`: it ends nothing, removes nothing and changes nothing outside of what it is named for, so that
    `--fix` may run it after it was shown. Running it twice is the same as once.
    """

    argv: tuple[str, ...]
    safe: bool
    as_root: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`value` is what must be equal on all nodes, for items that are compared.

    `alike`: what was found without the figures that each node has of its own (process ids, seconds), where
    there are such: nodes in the same situation have it in common.
    """

    status: Status
    found: str
    fix: str = ""
    repair: Repair | None = None
    value: str = ""
    alike: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One question to one node. `judge` never raises, whatever the node said.

    `same`: how bad it is when nodes answer with different values; None where they may.
    """

    name: str
    needed: str
    argv: tuple[str, ...]
    judge: Callable[[Completed], Verdict]
    place: Place = Place.HOST
    timeout_s: float = 10.0
    same: Status | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What an item found on a node; `value` and `alike` as in `Verdict`."""

    item: str
    node: str
    status: Status
    found: str
    needed: str
    fix: str = ""
    repair: Repair | None = None
    value: str = ""
    alike: str = ""

    def to_problem(self) -> Problem:
        """In words that name the node."""
        severity = Severity.WARNING if self.status is Status.WARNING else Severity.ERROR
        what = self.found if self.node in self.found else f"{self.node}: {self.found}"
        return Problem(self.node, severity, what, self.needed, self.fix)


def finding_of(item: Item, node: str, verdict: Verdict) -> Finding:
    return Finding(
        item.name,
        node,
        verdict.status,
        verdict.found,
        item.needed,
        verdict.fix,
        verdict.repair,
        verdict.value,
        verdict.alike,
    )


def not_asked(item: Item, node: str, why: str, status: Status = Status.SKIPPED) -> Finding:
    return Finding(item.name, node, status, why, item.needed)


def short(text: str, longest: int = _LONGEST) -> str:
    """On one line, and no longer than a person reads: it comes from a node."""
    line = " ".join(text[: 8 * longest].split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def well(found: str, value: str = "") -> Verdict:
    return Verdict(Status.OK, found, value=value)


def wrong(found: str, fix: str = "", repair: Repair | None = None) -> Verdict:
    return Verdict(Status.WRONG, found, fix, repair)


def warning(found: str, fix: str = "", repair: Repair | None = None, value: str = "") -> Verdict:
    return Verdict(Status.WARNING, found, fix, repair, value)


def unknown(found: str, fix: str = "") -> Verdict:
    return Verdict(Status.UNKNOWN, found, fix)


def script(text: str, *words: str) -> tuple[str, ...]:
    """The argv that runs a POSIX script with words as its arguments."""
    return ("sh", "-c", text, "npudeck-check", *words)


def lines_after(text: str, mark: str) -> list[str]:
    """What follows the mark on each line that begins with it: a login shell may talk too."""
    return [line[len(mark) :].strip() for line in text.splitlines() if line.startswith(mark)]
