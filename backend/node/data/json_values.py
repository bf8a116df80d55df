"""JSON records that are not one a line: an array of any length, or objects that follow one another."""

from __future__ import annotations

import codecs
import json
import re
from gettext import gettext as _
from typing import Any, BinaryIO, Dict, Iterator, NamedTuple, Optional, Tuple

from backend.node.data.bad_bytes import why_not_utf8
from backend.node.data.json_records import (
    DECODER,
    LENIENT_DECODER,
    DuplicateNameError,
    has_surrogate,
    is_cut_off,
    why_not_json,
    why_not_record,
)

_CHUNK = 1 << 20
# An error this near the end of what was read may only mean that more is to come: "-Infin", "\\ud83d\\ud".
_NEAR_END = 16
_BLANKS = re.compile(r"[ \t\r\n]*")


class Record(NamedTuple):
    """One record in its place (from 1). `value` is None where it is unusable for the reason `why`; `text` is
    the JSON as it stands in the file, "" where its end cannot be found: then nothing follows it."""

    number: int
    value: Optional[Dict[str, Any]]
    why: str
    text: str


class _BrokenError(Exception):
    """What is wrong with a record whose end cannot be found."""


def read_values(stream: BinaryIO) -> Iterator[Record]:
    """The records, with no more of them in memory than one chunk of the file holds.

    A record that is refused does not touch the others; where the JSON itself is broken, that is the last."""
    text = _Text(stream)
    number = 0
    try:
        in_array = text.peek() == "["
        if in_array:
            text.skip("[")
        while text.peek() not in ("", "]"):
            if in_array and number:
                text.skip(",")
            yield _record(number + 1, *text.value())
            number += 1
        if in_array:
            text.skip("]")
        if text.peek():
            raise _BrokenError(_("there is more after the end of the array"))
    except _BrokenError as error:
        why = _("{why}; nothing after it can be read").format(why=error)
        yield Record(number + 1, None, why, "")


def _record(number: int, value: Any, text: str, refused: str) -> Record:
    # Bytes that are not UTF-8 were read as surrogates, which the escapes of JSON cannot put there.
    if has_surrogate(text):
        return Record(number, None, why_not_utf8(text.encode("utf-8", "surrogateescape")), text)
    why = refused or why_not_record(value)
    return Record(number, None if why else value, why, text)


class _Text:
    """What has been read of the file and not been used, as text."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._fill()
        if self._buffer.startswith("\ufeff"):
            self._at = 1

    def peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            blanks = _BLANKS.match(self._buffer, self._at)
            self._at = blanks.end() if blanks else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._ended:
                return ""
            self._fill()

    def skip(self, mark: str) -> None:
        found = self.peek()
        if not found:
            raise _BrokenError(_("'{mark}' is missing: the file seems to be cut off").format(mark=mark))
        if found != mark:
            raise _BrokenError(_("'{mark}' is missing before it").format(mark=mark))
        self._at += 1

    def value(self) -> Tuple[Any, str, str]:
        """The next value, its JSON, and why it is refused although its end is known ("" when it is not)."""
        self.peek()
        while True:
            refused = ""
            try:
                try:
                    value, end = DECODER.raw_decode(self._buffer, self._at)
                except DuplicateNameError as error:
                    refused = why_not_json(error)
                    value, end = LENIENT_DECODER.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                if is_cut_off(error, len(self._buffer), _NEAR_END) and not self._ended:
                    self._fill()
                    continue
                raise _BrokenError(self._why(error)) from error
            if end == len(self._buffer) and not self._ended:
                # A number may go on in what was not read yet.
                self._fill()
                continue
            text = self._buffer[self._at : end]
            self._at = end
            return value, text, refused

    def _fill(self) -> None:
        """Read on, at least as much again as is waiting, so that one long record is not parsed too often."""
        waiting = self._buffer[self._at :]
        raw = self._stream.read(max(_CHUNK, len(waiting)))
        self._ended = not raw
        self._buffer = waiting + self._decoder.decode(raw, final=self._ended)
        self._at = 0

    def _why(self, error: Exception) -> str:
        if isinstance(error, json.JSONDecodeError):
            bad = why_not_utf8(self._buffer[self._at : error.pos + 1].encode("utf-8", "surrogateescape"))
            if bad:
                return bad
            cut_off = is_cut_off(error, len(self._buffer))
            error = json.JSONDecodeError(error.msg, self._buffer[self._at :], error.pos - self._at)
            if cut_off:
                return _("{why}; the file seems to be cut off").format(why=why_not_json(error))
        return why_not_json(error)
