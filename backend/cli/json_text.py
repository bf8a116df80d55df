"""JSON that any reader takes."""

from __future__ import annotations

import json
import re
from typing import Any

_HALVES = re.compile("[\ud800-\udfff]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]+")


def json_text(value: Any, *, indent: int | None, ascii_only: bool) -> str:
    """One document. A byte of a file's name that is no UTF-8 shows as on stderr, as the text `\\udcfc`.

    Python has it as half a character, which many readers of JSON refuse, also where it is escaped.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False, default=str)
    text = _HALVES.sub(lambda found: rf"\\u{ord(found[0]):04x}", text)
    return _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text) if ascii_only else text
