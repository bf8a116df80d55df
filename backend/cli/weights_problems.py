"""Errors of the weights room in the words of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from backend.cli.job_problems import told_as
from backend.translation import _


@contextmanager
def told_with_flags(names: Mapping[str, str], *, can_overwrite: bool) -> Iterator[None]:
    """As told_as; where the output is there already, the flag that replaces it is named."""
    with told_as(names):
        from backend.node.weights.output_folder import OccupiedError

        try:
            yield
        except OccupiedError as error:
            if can_overwrite:
                error.fix = _("choose another output directory, or give --overwrite to replace this one")
            raise
