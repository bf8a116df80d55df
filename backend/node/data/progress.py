"""How far the data stage is, as a value and in words."""

from __future__ import annotations

from gettext import gettext as _
from typing import Callable, NamedTuple

from backend.node.job_lines import print_progress
from backend.node.pace import with_time_left


class Progress(NamedTuple):
    """How far the work is: bytes `done` of `total` of the input, records and tokens so far, `seconds` since
    the first block; `note` is a sentence for the log, "" mostly."""

    done: int
    total: int
    records: int
    tokens: int
    seconds: float
    note: str = ""


Tell = Callable[[Progress], None]


def print_lines(progress: Progress) -> None:
    """Progress as the lines of a stage."""
    if progress.note:
        print(progress.note, flush=True)
        return
    print_progress(progress.done, progress.total, "bytes", progress_words(progress))


def progress_words(progress: Progress) -> str:
    """`12,000 records, 1.20 M tokens/s, 3 min left`."""
    rate = progress.tokens / max(1e-9, progress.seconds) / 1e6
    text = _("{records:,} records, {rate:.2f} M tokens/s").format(records=progress.records, rate=rate)
    return with_time_left(text, progress.done, progress.total, progress.seconds)
