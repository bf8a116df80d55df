"""Errors of the node code's data room as the command line's own: flags for names, exit codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from backend.problems import InputError, LocalError
from backend.translation import _


@contextmanager
def told_as(names: Mapping[str, str]) -> Iterator[None]:
    """Raise InputError (3) for what the user gave, LocalError (5) for this machine.

    `names`: what the user typed (a flag, a variable, an argument) for each key of the job that can be wrong.
    """
    from backend.node.job_lines import JobError, StorageError

    try:
        yield
    except StorageError as error:
        raise LocalError.because(
            error.what, error.why, error.fix, field=names.get(error.field, error.field)
        ) from error
    except JobError as error:
        raise InputError.because(
            error.what, error.why, error.fix, field=names.get(error.field, error.field)
        ) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise LocalError.because(f"{place}{error.strerror or error}", _("this machine refused")) from error
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("", "backend"):
            raise
        raise LocalError.because(
            _("the Python library {name} cannot be loaded").format(name=library),
            str(error),
            _("install npudeck[train]"),
        ) from error
