"""Rows that cannot be used: the first one stops the job, or all are counted and listed."""

from __future__ import annotations

from gettext import gettext as _
from typing import Callable, Dict, List, Union

from backend.node.data.data_job import FAIL
from backend.node.data.rows import BadRow
from backend.node.job_lines import JobError

_SHOWN = 5
_LISTED = 1000

Listed = Dict[str, Union[str, int]]


class BadRows:
    """`listed` and `skipped_listed`: the first thousand of each kind, for the manifest."""

    def __init__(self, policy: str, tell_note: Callable[[str], None]) -> None:
        self.listed: List[Listed] = []
        self.skipped_listed: List[Listed] = []
        self._policy = policy
        self._tell_note = tell_note

    def add(self, bad: List[BadRow], skipped: List[BadRow]) -> None:
        """Those of the next block. Raises JobError for the first bad row when the policy is to fail."""
        final = next((row for row in bad if row.last), None)
        if final is not None and (self._policy != FAIL or final is bad[0]):
            raise _failure([final], _("mend the file: what follows would be lost"))
        if bad and self._policy == FAIL:
            raise _failure(
                bad,
                _('mend the row, or leave such rows out: --on-bad-row skip, in a recipe on_bad_row = "skip"'),
            )
        self._note(bad, self.listed, _("left out: {words}"))
        self._note(skipped, self.skipped_listed, _("skipped by the handler's rules: {words}"))

    def first_words(self) -> str:
        """Why the first of them cannot be used; "" when there is none."""
        for listed in (self.listed, self.skipped_listed):
            if listed:
                return str(listed[0]["why"])
        return ""

    def _note(self, rows: List[BadRow], listed: List[Listed], sentence: str) -> None:
        for row in rows[: max(0, _SHOWN - len(listed))]:
            self._tell_note(sentence.format(words=words(row)))
        if len(listed) < _SHOWN < len(listed) + len(rows):
            self._tell_note(_("more such rows are counted, and listed in the manifest"))
        listed += [row._asdict() for row in rows[: max(0, _LISTED - len(listed))]]


def words(row: BadRow) -> str:
    """`line 3 of a.jsonl, column text: it is null`."""
    place = row.where()
    if row.field:
        place = _("{place}, column {field}").format(place=place, field=row.field)
    return f"{place}: {row.why}"


def _failure(bad: List[BadRow], fix: str) -> JobError:
    first = bad[0]
    what = _("{place} cannot be used").format(place=first.where())
    if first.field:
        what = _("{place} cannot be used: column {field}").format(place=first.where(), field=first.field)
    more = len(bad) - 1
    why = first.why
    if more:
        also = _("{why} (one more such row close by)") if more == 1 else _("{why} ({more} more close by)")
        why = also.format(why=why, more=more)
    return JobError("input", what, why, fix)
