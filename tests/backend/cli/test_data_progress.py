"""Progress of data jobs: a bar, lines, or nothing."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from backend.cli import data_display
from backend.cli.data_display import LINE_INTERVAL_S, BarDisplay, LineDisplay, NoDisplay, display
from backend.cli.data_progress import BytesProgress, JobProgress


class Told(NamedTuple):
    done: int = 0
    total: int = 1000
    records: int = 0
    tokens: int = 0
    seconds: float = 0.0
    note: str = ""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Heard:
    """A display that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def remark(self, text: str) -> None:
        self.said.append(f"remark {text}")

    def move(self, done: int, total: int, text: str) -> None:
        self.said.append(f"move {done}/{total} {text}")

    def line(self, done: int, total: int, text: str) -> None:
        self.said.append(f"line {done}/{total} {text}")


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


def test_lines_come_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    shown = LineDisplay(clock)
    for tenth in range(int(LINE_INTERVAL_S * 20) + 1):
        clock.now = tenth / 10
        shown.move(tenth, 200, f"at {clock.now}")
    shown.remark("a remark")
    shown.line(1, 3, "asked for")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        " 25 %  at 5.0",
        " 50 %  at 10.0",
        "a remark",
        " 33 %  asked for",
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with display(quiet=True, start="starting") as shown:
        shown.remark("a")
        shown.move(1, 2, "b")
        shown.line(1, 2, "c")
    assert isinstance(shown, NoDisplay)
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with display(quiet=False, start="starting") as shown:
        assert isinstance(shown, LineDisplay)
    assert capsys.readouterr() == ("", "")


def test_a_bar_moves_and_remarks_stand_above_it() -> None:
    import io

    from rich.console import Console

    bar = data_display._bar()
    out = io.StringIO()
    bar.live.console = Console(
        file=out, force_terminal=True, width=80, color_system=None, legacy_windows=False
    )
    shown = BarDisplay(bar, "loading")
    shown.move(0, 0, "nobody knows of how much")
    assert bar.tasks[0].total is None
    shown.move(250, 1000, "1,234,567 records  1.43 M tokens/s  12 min 05 s left")
    task = bar.tasks[0]
    assert (task.completed, task.total, task.fields["share"]) == (250, 1000, "25 %")
    shown.remark("[red]not markup[/red]")
    bar.live.console.print(bar.get_renderable())
    lines = out.getvalue().splitlines()
    assert lines[0] == "[red]not markup[/red]"
    assert lines[1].rstrip().endswith("25 % 1,234,567 records  1.43 M tokens/s  12 min 05 s left")
    assert len(lines) == 2


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_display, "_somebody_watches", lambda: True)
    with display(quiet=False, start="starting") as shown:
        assert isinstance(shown, BarDisplay)
