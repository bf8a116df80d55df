"""What a JSON record may be: an object with every name once, and no half characters where text is wanted."""

from __future__ import annotations

import json
from gettext import gettext as _
from typing import Any, Dict, List, Mapping, Sequence, Tuple


class DuplicateNameError(ValueError):
    """An object has a name twice; says which."""


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise DuplicateNameError(next(name for name in names if names.count(name) > 1))
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_unique)
# Strings and brackets as above, but any object passes: for the end of a record that is refused.
LENIENT_DECODER = json.JSONDecoder()


def is_cut_off(error: Exception, length: int, margin: int = 0) -> bool:
    """Whether text of `length` characters may be good JSON that only ends too early: the error lies at the
    end, or no more than `margin` characters before it."""
    return isinstance(error, json.JSONDecodeError) and (
        error.msg.startswith("Unterminated string") or error.pos >= length - margin
    )


def why_not_json(error: Exception) -> str:
    """The decoder's error in words, with the column in the text that it was given."""
    if isinstance(error, DuplicateNameError):
        return _("the column {name} is there twice").format(name=error)
    if isinstance(error, RecursionError):
        return _("it is nested too deeply")
    if isinstance(error, json.JSONDecodeError):
        what = error.msg[: -len(" at")] if error.msg.endswith(" at") else error.msg
        return _("not JSON: {error} at column {column}").format(error=what, column=f"{error.pos + 1:,}")
    return _("not JSON: {error}").format(error=error)


def why_not_record(value: Any) -> str:
    """ "" for an object."""
    if isinstance(value, dict):
        return ""
    return _("it is {kind}, not an object with named columns").format(kind=kind_of_value(value))


def kind_of_value(value: Any) -> str:
    """A JSON value's kind in words."""
    if isinstance(value, str):
        return _("text")
    if isinstance(value, bool):
        return _("true or false")
    if value is None:
        return _("null")
    if isinstance(value, (int, float)):
        return _("a number")
    return _("a list") if isinstance(value, list) else _("an object")


def half_character(record: Mapping[str, Any], columns: Sequence[str]) -> str:
    """The first of `columns` whose text has half of a surrogate pair, which is no character; else ""."""
    return next((name for name in columns if has_surrogate(record.get(name))), "")


def why_half_character() -> str:
    return _("its text has half of a surrogate pair, which is not a character")


def has_surrogate(value: Any) -> bool:
    """Whether there is half of a surrogate pair in any text of a JSON value."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, dict):
        return any(has_surrogate(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(has_surrogate, value))
