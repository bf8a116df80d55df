"""Lines of a log for reading: our jobs' JSON lines become sentences, all others stay as they are; pure."""

from __future__ import annotations

import json
from typing import Any

from backend.translation import _
from tui.formats import clean, size, thousands


def readable(line: str) -> str:
    """A line as it is shown; escape sequences and control characters are gone."""
    if line.startswith('{"'):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return clean(line)
        words = _said(said) if isinstance(said, dict) else ""
        if words:
            return clean(words)
    return clean(line.rstrip("\r\n"))


def _said(said: dict[str, Any]) -> str:
    """The sentence of one of our own lines; "" for a line that is none of ours."""
    progress = said.get("progress")
    if isinstance(progress, dict) and isinstance(progress.get("done"), int | float):
        return _progress(progress)
    if set(said) == {"field", "severity", "what", "why", "fix"}:
        parts = [str(said["what"]), *(str(said[key]) for key in ("why", "fix") if said[key])]
        return _("{severity}: {sentence}").format(
            severity=str(said["severity"]).upper(), sentence="; ".join(parts)
        )
    return ""


def _progress(progress: dict[str, Any]) -> str:
    done, total = progress["done"], progress.get("total")
    unit = str(progress.get("unit", ""))
    words = size if unit == "bytes" else thousands
    amount = words(done)
    if isinstance(total, int | float) and total:
        amount = _("{share} %  {done} of {total}").format(
            share=f"{100 * done / total:3.0f}", done=amount, total=words(total)
        )
    if unit != "bytes":
        amount = f"{amount} {unit}"
    return f"{amount}  {progress.get('text', '')}".rstrip()
