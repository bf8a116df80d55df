"""JSON records: one line, or a stream of values that may be an array of any length."""

from __future__ import annotations

import json
from gettext import gettext as _
from typing import Any, Dict, Iterator, List, TextIO, Tuple

from backend.node.job_lines import JobError

_CHUNK = 1 << 20
# An error this near the end of what was read may only mean that more is to come: "-Infin", "\\ud83d\\ud".
_NEAR_END = 16


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise _DuplicateKeyError(next(name for name in names if names.count(name) > 1))
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def parse_object(text: str, where: str) -> Dict[str, Any]:
    """The record that `text` holds. Raises JobError that names `where`."""
    try:
        value = _DECODER.decode(text.strip())
    except ValueError as error:
        raise _broken(where, error) from error
    return _record(value, where)


class JsonValues:
    """Iterates over the records of an array, or over records that follow one another, reading as it goes."""

    def __init__(self, stream: TextIO, path: str) -> None:
        self._stream = stream
        self._path = path
        self._buffer = ""
        self._at = 0
        self._number = 0

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        in_array = self._peek() == "["
        if in_array:
            self._at += 1
        while self._peek() not in ("", "]"):
            if in_array and self._number:
                self._expect(",")
            self._number += 1
            yield _record(self._value(), self._where())
        if in_array:
            self._expect("]")
        if self._peek():
            raise self._broken_at(_("there is more after the end of the array"))

    def _peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at].isspace():
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._fill():
                return ""

    def _expect(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._broken_at(_("'{mark}' is missing after it").format(mark=mark))
        self._at += 1

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                cut_off = (
                    error.msg.startswith("Unterminated string") or error.pos >= len(self._buffer) - _NEAR_END
                )
                if not (cut_off and self._fill()):
                    raise _broken(self._where(), error) from error
            except ValueError as error:
                raise _broken(self._where(), error) from error
            else:
                return value

    def _fill(self) -> bool:
        """Read on, at least as much again as is waiting, so that one long record is not parsed too often."""
        self._buffer = self._buffer[self._at :]
        self._at = 0
        more = self._stream.read(max(_CHUNK, len(self._buffer)))
        self._buffer += more
        return bool(more)

    def _where(self) -> str:
        return _("record {number} of {path}").format(number=self._number, path=self._path)

    def _broken_at(self, why: str) -> JobError:
        return JobError("input", _("{where} is not JSON").format(where=self._where()), why)


def _record(value: Any, where: str) -> Dict[str, Any]:
    if not isinstance(value, dict):
        what = _("{where} is not a record").format(where=where)
        raise JobError("input", what, _("it is not a JSON object with named columns"))
    return value


def _broken(where: str, error: ValueError) -> JobError:
    if isinstance(error, _DuplicateKeyError):
        return JobError("input", _("{where} has the column {key} twice").format(where=where, key=error))
    why = str(error)
    return JobError(
        "input", _("{where} is not JSON").format(where=where), why, _("mend the file, or take it out")
    )
