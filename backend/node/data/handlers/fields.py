"""Texts from the columns of a block, and which rows have none where one is due."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, List, Sequence

from backend.node.data.handlers.handler import Encoded, Part, kept, ordered
from backend.node.data.rows import BadRow, Rows

# Index of a row among the readable rows of its block -> what is wrong with it.
Wrong = Dict[int, BadRow]


def wrong_texts(rows: Rows, names: Sequence[str], nullable: bool = False) -> Wrong:
    """Rows that have something else than a text in one of the columns `names`; `nullable` allows nothing."""
    allowed = {str, type(None)} if nullable else {str}
    wrong: Wrong = {}
    for name in names:
        column = rows.columns[name]
        if set(map(type, column)) <= allowed:
            continue
        for index, value in enumerate(column):
            if type(value) not in allowed and index not in wrong:
                wrong[index] = rows.bad_row(index, name, no_text(value))
    return wrong


def no_text(value: Any) -> str:
    """In words, what stands where a text is due."""
    if value is None:
        return _("a text is due, and there is none: it is absent or null")
    if isinstance(value, bool):
        return _("a text is due, and it is true or false")
    if isinstance(value, (int, float)):
        return _("a text is due, and it is a number")
    if isinstance(value, (list, tuple)):
        return _("a text is due, and it is a list")
    if isinstance(value, dict):
        return _("a text is due, and it is an object")
    if isinstance(value, str):
        return _("a text is due, and it holds half a character (a lone surrogate)")
    return _("a text is due, and it is of type {kind}").format(kind=type(value).__name__)


def usable(rows: Rows, name: str, wrong: Wrong) -> List[Any]:
    """The values of a column without the wrong rows."""
    column = rows.columns[name]
    return [value for index, value in enumerate(column) if index not in wrong] if wrong else column


def encoded(rows: Rows, wrong: Wrong, parts: Dict[str, Part]) -> Encoded:
    """A block's result; `parts` belongs to the rows that are not wrong."""
    bad = ordered([*rows.bad, *wrong.values()])
    return Encoded(rows.total, kept(rows, list(wrong)), parts, bad, [])
