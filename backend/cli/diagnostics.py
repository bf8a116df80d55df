"""Owner of stderr and of exit codes: turns every error into one clear message, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from backend.problems import NpudeckError, Problem, Severity
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


def guard(action: Callable[[], int]) -> int:
    """Run a command; answer its exit code whatever happens inside."""
    try:
        return action()
    except NpudeckError as error:
        for problem in error.problems:
            say_problem(problem)
        return error.exit_code
    except KeyboardInterrupt:
        say(_("interrupted"))
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone (`| head`): nothing to say, and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
