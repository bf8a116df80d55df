"""What can be wrong, as data, and the errors that carry it to a person.

    NpudeckError                exit code   who handles it
    ├── UsageError                  2       a command line that asks for nothing sensible
    ├── InputError                  3       a file, a field or a name that the user gave
    ├── NodeError                   4       a node that cannot be reached, or refuses
    │   ├── NodeUnreachableError            no answer within the deadline
    │   └── HostKeyError                    the key is unknown or has changed
    ├── LocalError                  5       this machine: state directory, missing extra
    └── ConflictError               6       somebody else holds what is asked for

Exit code 0 is success; 1 is a clear "no" (a run failed, a check found an error); 130 is Ctrl-C.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class Severity(StrEnum):
    """How much a problem matters: an `error` stops the action, a `warning` does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in the words a person needs.

    `field` is the standard name of a recipe field, or the place in a file ("nodes[2].host"); `what` says
    what is wrong with its value, `why` the rule behind it, `fix` what to do. `suggestion` is a value for
    `field` that would work, as it would be typed, when there is one.
    """

    field: str
    severity: Severity
    what: str
    why: str = ""
    fix: str = ""
    suggestion: str = ""

    def sentence(self) -> str:
        """All of it on one line: `what: why; fix`."""
        text = self.what
        if self.why:
            text += f": {self.why}"
        if self.fix:
            text += f"; {self.fix}"
        return text

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def errors_of(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Those that stop the action."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)


class NpudeckError(Exception):
    """Base of everything that ends in one clear message; never shown with a traceback."""

    exit_code = 1

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(problem.sentence() for problem in problems))

    @classmethod
    def because(cls, what: str, why: str = "", fix: str = "", field: str = "") -> Self:
        """The usual case: one problem, said in place."""
        return cls(Problem(field, Severity.ERROR, what, why, fix))


class UsageError(NpudeckError):
    exit_code = 2


class InputError(NpudeckError):
    exit_code = 3


class NodeError(NpudeckError):
    exit_code = 4


class NodeUnreachableError(NodeError):
    """No answer within the deadline. Says nothing about what runs on the node."""


class HostKeyError(NodeError):
    """The host's key is not the one we know. Never overridden in passing."""


class LocalError(NpudeckError):
    exit_code = 5


class ConflictError(NpudeckError):
    exit_code = 6
