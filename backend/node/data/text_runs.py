"""A sequence as runs of masked and trained text."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Dict, List, Optional, Sequence

from backend.node.data.encoder import Encoder

# Ids decoded in front of a run, so that it begins as it does within the whole text.
_CONTEXT = 8
_CUT_CHARACTER = "\ufffd"


def runs_of(ids: Sequence[int], trained: Sequence[bool], encoder: Optional[Encoder]) -> List[Dict[str, Any]]:
    """Runs of equal `trained`, in order: dicts of "trained", "start" (of its first id), "tokens" and "text".

    The text is "" without an encoder. A character with ids on both sides of a border is the later run's."""
    runs: List[Dict[str, Any]] = []
    start = 0
    for mark, group in groupby(trained):
        count = sum(1 for _one in group)
        text = _text(ids, start, start + count, encoder) if encoder else ""
        runs.append({"trained": bool(mark), "start": start, "tokens": count, "text": text})
        start += count
    return runs


def _text(ids: Sequence[int], start: int, end: int, encoder: Encoder) -> str:
    context = max(0, start - _CONTEXT)
    before = encoder.decode(ids[context:start]).rstrip(_CUT_CHARACTER) if start else ""
    both = encoder.decode(ids[context:end])
    text = both[len(before) :] if both.startswith(before) else encoder.decode(ids[start:end])
    # Half of a character at the end is told by the next run; at the end of the text it is shown as it is.
    return text.rstrip(_CUT_CHARACTER) if end < len(ids) else text
