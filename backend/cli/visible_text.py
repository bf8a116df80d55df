"""Text of files on a terminal: nothing in it is obeyed."""

from __future__ import annotations

import re

_PICTURES = 0x2400
# controls, and marks that turn the direction of what follows
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    """Controls as pictures or codes: a record must not steer the terminal. Newlines stay, tabs are blanks."""
    return _UNSEEN.sub(_picture, text.replace("\t", "    "))


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(_PICTURES + code)
    if code == 0x7F:
        return "␡"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
