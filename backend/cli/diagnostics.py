"""Owner of stderr and of exit codes: turns every error into one clear message, never a traceback."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence

from backend.cli.own_commands import pasteable
from backend.cli.streams import close_stream, terminal_width
from backend.problems import InputError, LocalError, NpudeckError, Problem, Severity
from backend.translation import _

OK = 0
NO = 1
INTERRUPTED = 130
# as a shell shows who was ended by a signal
_SIGNALLED = 128
UNREAD = _SIGNALLED + signal.SIGPIPE
_AROUND = 20  # characters that show which text is meant

# controls but for newline and tab, marks that turn the direction of what follows, halves of characters
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def prepare_streams() -> None:
    """At the start of a command: no character makes stdout or stderr raise, and where one of the standard
    streams is closed, no file that is opened later gets its number (and then what a library writes there)."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """Control characters as codes (`\\x1b`): a file's name must not steer the terminal. Newlines stay."""
    return _STEERING.sub(_code, text)


def _code(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def say(text: str) -> None:
    """Progress and remarks for people; a terminal gets them broken between words. A closed stderr changes
    nothing else."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(_within(printable(text), terminal_width(sys.stderr)) + "\n")
        sys.stderr.flush()
    except OSError:
        close_stream(sys.stderr)


def _within(text: str, width: int | None) -> str:
    if width is None:
        return text
    from backend.cli.word_wrap import prose

    return "\n".join(prose(text, width))


def say_problem(problem: Problem) -> None:
    """`error: field: what` and, indented below it, why and what to do."""
    word = _("error") if problem.severity is Severity.ERROR else _("warning")
    where = f"{problem.field}: " if problem.field else ""
    say(f"{word}: {where}{problem.what}")
    if problem.why:
        say(f"  {_('why')}: {problem.why}")
    if problem.fix:
        say(f"  {_('fix')}: {pasteable(problem.fix)}")


def guard(action: Callable[[], int], *, json: bool = False) -> int:
    """Run a command; answer its exit code whatever happens inside.

    With `json` an error is also one object on stdout: {"exit_code", "problems"}.
    """
    try:
        return action()
    except NpudeckError as error:
        return _fail(error.problems, error.exit_code, json=json)
    except KeyboardInterrupt:
        return _ended(_("interrupted"), INTERRUPTED, json=json)
    except SystemExit as end:
        if not isinstance(end.code, int) or end.code - _SIGNALLED not in signal.valid_signals():
            raise
        name = signal.Signals(end.code - _SIGNALLED).name
        return _ended(_("ended by {signal}").format(signal=name), end.code, json=json)
    except OSError as error:
        # it may be stdout itself; a reader of it that has gone (`| head`) is no error, and does not come here
        close_stream(sys.stdout)
        return _fail(_local(error.strerror or str(error), error.filename), LocalError.exit_code, json=False)
    except UnicodeEncodeError as error:
        return _fail(_no_text(error), InputError.exit_code, json=json)
    except Exception as error:
        if type(error).__module__ != "sqlite3":
            raise
        full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
        fix = _("free space in the state directory (XDG_STATE_HOME)") if full else ""
        return _fail(_local(str(error), _("the store"), fix), LocalError.exit_code, json=json)


def _fail(problems: Sequence[Problem], code: int, *, json: bool) -> int:
    for problem in problems:
        say_problem(problem)
    return print_problems(problems, code) if json else code


def _ended(what: str, code: int, *, json: bool) -> int:
    """Told to stop from outside: one line, and no rule that was broken."""
    say(what)
    return print_problems([Problem("", Severity.ERROR, what)], code) if json else code


def print_problems(problems: Sequence[Problem], code: int) -> int:
    """One object on stdout; answers `code`, or that of a stdout that cannot be written."""

    def action() -> int:
        from backend.cli.output import print_json

        document = {"exit_code": code, "problems": [problem.to_json() for problem in problems]}
        print_json(document, compact=True)
        return code

    return guard(action)


def _no_text(error: UnicodeEncodeError) -> tuple[Problem, ...]:
    """Bytes of an argument, or of a file's name, on their way to where only text may stand."""
    around = error.object[max(0, error.start - _AROUND) : error.end + _AROUND]
    what = _("{text!r} is not UTF-8 text").format(text=around)
    why = _("what is sent and kept is text; bytes that mean no character have no place in it")
    return (Problem("", Severity.ERROR, what, why, _("write it in characters of UTF-8")),)


def _local(what: str, where: object, fix: str = "") -> tuple[Problem, ...]:
    place = f"{where}: " if where else ""
    return (Problem("", Severity.ERROR, f"{place}{what}", _("this machine refused"), fix),)
