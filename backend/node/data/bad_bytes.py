"""Says of bytes that are no UTF-8 where they break, and what they look like instead."""

from __future__ import annotations

import re
from gettext import gettext as _

_WINDOW = 2048
# Fewer high bytes may as well be one damaged character.
_ENOUGH = 4
_HIGH = re.compile(b"[\x80-\xff]+")


def why_not_utf8(raw: bytes) -> str:
    """What is wrong with `raw` as UTF-8, with the position of the byte (from 1); "" when nothing is."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        text = _("not UTF-8: byte {position} is {value}").format(
            position=f"{error.start + 1:,}", value=f"0x{raw[error.start]:02X}"
        )
        hint = _looks_like(raw[max(0, error.start - _WINDOW) : error.start + _WINDOW])
        return f"{text}; {hint}" if hint else text
    return ""


def _looks_like(raw: bytes) -> str:
    """A guess at the encoding: in GBK high bytes come in pairs, in Latin-1 they stand alone in words."""
    runs = [len(run) for run in _HIGH.findall(raw)]
    if not runs or _mostly_utf8(raw):
        return ""
    pairs = sum(1 for length in runs if length % 2 == 0)
    if sum(runs) >= _ENOUGH and pairs * 4 >= len(runs) * 3 and _decodes(raw, "gb18030"):
        return _("it looks like GBK")
    if sum(1 for length in runs if length == 1) * 4 >= len(runs) * 3:
        return _("it looks like Latin-1")
    return ""


def _mostly_utf8(raw: bytes) -> bool:
    """Whether most of the high bytes are UTF-8 after all, and only a few are damaged."""
    readable = sum(
        len(character.encode("utf-8")) for character in raw.decode("utf-8", "ignore") if character > "\x7f"
    )
    return readable * 5 >= sum(map(len, _HIGH.findall(raw))) * 4


def _decodes(raw: bytes, encoding: str) -> bool:
    # The window may begin or end within a character.
    return any("\ufffd" not in raw[cut:].decode(encoding, "replace")[:-1] for cut in (0, 1))
