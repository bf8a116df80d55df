"""Progress of data jobs in words."""

from __future__ import annotations

from typing import NamedTuple

from heard_display import Clock, Heard

from backend.cli.data_progress import BytesProgress, JobProgress


class Told(NamedTuple):
    done: int = 0
    total: int = 1000
    records: int = 0
    tokens: int = 0
    seconds: float = 0.0
    note: str = ""


def test_a_job_in_words() -> None:
    heard = Heard()
    tell = JobProgress(heard)
    tell(Told(note="the encoder gigatoken is not there"))
    tell(Told(100, 1000, 5_000, 0, 1.0))
    tell(Told(400, 1000, 20_000, 3_000_000, 3.0))
    tell(Told(1000, 1000, 50_000, 9_000_000, 7.0))
    assert heard.said == [
        "remark the encoder gigatoken is not there",
        "move 100/1000 5,000 records",
        "move 400/1000 20,000 records  1.50 M tokens/s  4.0 s left",
        "move 1000/1000 50,000 records  1.29 M tokens/s",
    ]


def test_a_speed_of_nothing_is_not_told() -> None:
    heard = Heard()
    tell = JobProgress(heard)
    tell(Told(100, 1000, 5_000, 100, 1.0))
    tell(Told(200, 1000, 9_000, 100, 3.0))
    tell(Told(1000, 1000, 9_000, 100, 20.0))
    tell(Told(1000, 1000, 9_000, 100, 40.0))
    assert heard.said[1] == "move 200/1000 9,000 records  16 s left"
    assert heard.said[-1] == "move 1000/1000 9,000 records  2 tokens/s"


def test_a_log_interval_is_a_line_every_so_many_records() -> None:
    heard = Heard()
    tell = JobProgress(heard, log_interval=100)
    for records in (50, 99, 100, 150, 420, 480, 500):
        tell(Told(records, 500, records, 0, 0.0))
    assert [line.split()[2] for line in heard.said] == ["100", "420", "500"]


def test_bytes_looked_at() -> None:
    heard, clock = Heard(), Clock()
    tell = BytesProgress(heard, clock)
    tell(0, 4_000_000)
    clock.now = 2.0
    tell(1_000_000, 4_000_000)
    assert heard.said[-1] == "move 1000000/4000000 1.0 MB of 4.0 MB  6.0 s left"
