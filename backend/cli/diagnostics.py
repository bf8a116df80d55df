"""Owner of stderr and of exit codes: turns every error into one clear message, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from backend.problems import LocalError, NpudeckError, Problem, Severity
from backend.translation import _

OK = 0
NO = 1
INTERRUPTED = 130


def say(text: str) -> None:
    """Progress and remarks for people."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def say_problem(problem: Problem) -> None:
    """`error: field: what` and, indented below it, why and what to do."""
    word = _("error") if problem.severity is Severity.ERROR else _("warning")
    where = f"{problem.field}: " if problem.field else ""
    say(f"{word}: {where}{problem.what}")
    if problem.why:
        say(f"  {_('why')}: {problem.why}")
    if problem.fix:
        say(f"  {_('fix')}: {problem.fix}")


def guard(action: Callable[[], int], *, json: bool = False) -> int:
    """Run a command; answer its exit code whatever happens inside.

    With `json` an error is also one object on stdout: {"exit_code", "problems"}.
    """
    try:
        return action()
    except NpudeckError as error:
        return _fail(error.problems, error.exit_code, json=json)
    except KeyboardInterrupt:
        say(_("interrupted"))
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone (`| head`): nothing to say, and nobody to say it to
        _close_stdout()
        return OK
    except OSError as error:
        _close_stdout()
        return _fail(_local(error.strerror or str(error), error.filename), LocalError.exit_code, json=False)
    except Exception as error:
        if type(error).__module__ != "sqlite3":
            raise
        return _fail(_local(str(error), _("the store")), LocalError.exit_code, json=json)


def _fail(problems: Sequence[Problem], code: int, *, json: bool) -> int:
    for problem in problems:
        say_problem(problem)
    if not json:
        return code

    def print_problems() -> int:
        from backend.cli.output import print_json

        document = {"exit_code": code, "problems": [problem.to_json() for problem in problems]}
        print_json(document, compact=True)
        return code

    return guard(print_problems)


def _local(what: str, where: object) -> tuple[Problem, ...]:
    place = f"{where}: " if where else ""
    return (Problem("", Severity.ERROR, f"{place}{what}", _("this machine refused"), ""),)


def _close_stdout() -> None:
    """Nothing more can be written there; Python must not try again when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
