"""Numbers as this trade writes them: 2.5e-5, not 2.5e-05."""

from __future__ import annotations

import re


def number_text(value: float) -> str:
    """The shortest text that reads back as the same number; valid in TOML and in a shell."""
    text = repr(value)
    return re.sub(r"e([+-]?)0*(\d)", lambda match: "e" + match[1].replace("+", "") + match[2], text)
