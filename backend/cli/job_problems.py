"""Errors of the node code as the command line's own: flags for names, exit codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backend.problems import ConflictError, InputError, LocalError, NpudeckError
from backend.translation import _

if TYPE_CHECKING:
    from backend.node.job_lines import JobError


@contextmanager
def told_as(names: Mapping[str, str]) -> Iterator[None]:
    """Raise InputError (3) for what the user gave, LocalError (5) for this machine, ConflictError (6) where
    another process is at the same work. SIGTERM and SIGHUP end the work as an error does.

    `names`: what the user typed (a flag, a variable, an argument) for each key of the job that can be wrong.
    """
    from backend.node.ending import ended_by_signals
    from backend.node.job_lines import BusyError, JobError, StorageError

    try:
        with ended_by_signals():
            yield
    except StorageError as error:
        raise _as(LocalError, error, names) from error
    except BusyError as error:
        raise _as(ConflictError, error, names) from error
    except JobError as error:
        if isinstance(error.__cause__, PermissionError):
            error.fix = _("see to its permissions")
            raise _as(LocalError, error, names) from error
        raise _as(InputError, error, names) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        from backend.node.storage_faults import storage_error

        raise _as(LocalError, storage_error(error), names) from error
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("", "backend"):
            raise
        raise LocalError.because(
            _("the Python library {name} cannot be loaded").format(name=library),
            str(error),
            _("install npudeck[train]"),
        ) from error


def _as(kind: type[NpudeckError], error: JobError, names: Mapping[str, str]) -> NpudeckError:
    return kind.because(error.what, error.why, error.fix, field=names.get(error.field, error.field))
