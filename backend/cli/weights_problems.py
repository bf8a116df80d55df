"""Errors of the weights room in the words of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backend.cli.job_problems import told_as
from backend.cli.weights_folders import explained
from backend.translation import _

if TYPE_CHECKING:
    from backend.node.job_lines import JobError

_OUTPUT = "output_directory"


@contextmanager
def told_with_flags(
    names: Mapping[str, str], folders: Mapping[str, tuple[str, str]], *, can_overwrite: bool = False
) -> Iterator[None]:
    """As told_as, and better where it can be said better: a folder of another kind than a command reads, an
    output that a flag replaces.

    `folders`: for each key of the job that is a folder to read, its path and what it should be (a kind of
    weights_folders)."""
    with told_as(names):
        from backend.node.job_lines import BusyError, JobError, StorageError
        from backend.node.weights.output_folder import OccupiedError

        try:
            yield
        except OccupiedError as error:
            if can_overwrite:
                error.fix = _("choose another output directory, or give --overwrite to replace this one")
            raise
        except (BusyError, StorageError):
            raise
        except JobError as error:
            better = _better(error.field, folders)
            if better is None:
                raise
            raise better from error
        except PermissionError as error:
            better = _better("", folders)
            if better is None:
                raise
            raise better from error


def _better(field: str, folders: Mapping[str, tuple[str, str]]) -> JobError | None:
    """The error of the folder `field`; of the first that has one where it is of none of them."""
    if field == _OUTPUT or (field and not field.endswith("_directory") and field not in folders):
        return None
    keys = [field] if field in folders else list(folders)
    found = (explained(*folders[key], key) for key in keys)
    return next((error for error in found if error is not None), None)
