"""How far a conversion of weights is, as a value and in words, and what it ends with."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Callable, Dict, List, NamedTuple

from backend.node.job_lines import print_progress
from backend.node.pace import with_time_left


class Progress(NamedTuple):
    """`done_bytes` of `total_bytes` are written, `seconds` after the start; `note` is a sentence for the
    log, "" mostly."""

    done_bytes: int
    total_bytes: int
    seconds: float
    note: str = ""


class Outcome(NamedTuple):
    """What was made. `up_to_date`: nothing had to be done; `manifest`: the content of the manifest in the
    output directory, or, of a dry run, what would be made."""

    up_to_date: bool
    manifest: Dict[str, Any]


Tell = Callable[[Progress], None]


def say(tell: Tell, note: str) -> None:
    """A sentence without a number."""
    tell(Progress(0, 0, 0.0, note))


def say_all(tell: Tell, notes: List[str]) -> List[str]:
    """Several sentences; answers them."""
    for note in notes:
        say(tell, note)
    return notes


def print_lines(progress: Progress) -> None:
    """Progress as the lines of a stage."""
    if progress.note:
        print(progress.note, flush=True)
        return
    print_progress(progress.done_bytes, progress.total_bytes, "bytes", progress_words(progress))


def progress_words(progress: Progress) -> str:
    """`1.20 GB/s, 3 min left`."""
    rate = progress.done_bytes / max(1e-9, progress.seconds) / 1e9
    text = _("{rate:.2f} GB/s").format(rate=rate)
    return with_time_left(text, progress.done_bytes, progress.total_bytes, progress.seconds)
