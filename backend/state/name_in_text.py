"""Sentences of several nodes that differ in a name alone. Pure."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=8192)
def renamed(text: str, name: str, other: str) -> str:
    """`text` with `other` wherever it has `name`; a longer name that begins or ends so is another one."""
    if not name or name not in text:
        return text
    return re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", lambda _found: other, text)
