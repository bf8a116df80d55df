"""Progress of weights jobs in words."""

from __future__ import annotations

from typing import NamedTuple

from heard_display import Heard

from backend.cli.weights_progress import WeightsProgress


class Told(NamedTuple):
    done_bytes: int = 0
    total_bytes: int = 0
    seconds: float = 0.0
    note: str = ""


def test_bytes_rate_and_time_left() -> None:
    heard = Heard()
    tell = WeightsProgress(heard)
    tell(Told(note="3 values lose digits"))
    tell(Told(0, 4_000_000_000, 0.0))
    tell(Told(1_000_000_000, 4_000_000_000, 1.0))
    tell(Told(4_000_000_000, 4_000_000_000, 4.0))
    assert heard.said == [
        "remark 3 values lose digits",
        "move 0/4000000000 0 B of 4.0 GB",
        "move 1000000000/4000000000 1.0 GB of 4.0 GB  1.0 GB/s  3.0 s left",
        "move 4000000000/4000000000 4.0 GB of 4.0 GB",
    ]


def test_a_job_that_stands_still_promises_nothing() -> None:
    heard = Heard()
    tell = WeightsProgress(heard)
    for seconds in (0.0, 5.0):
        tell(Told(10, 100, seconds))
    assert heard.said[-1] == "move 10/100 10 B of 100 B"
