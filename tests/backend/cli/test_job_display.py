"""Progress on stderr: a bar, lines, or nothing."""

from __future__ import annotations

import pytest
from heard_display import Clock

from backend.cli import job_display
from backend.cli.job_display import LINE_INTERVAL_S, BarDisplay, LineDisplay, NoDisplay, display


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

    bar = job_display._bar()
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
    monkeypatch.setattr(job_display, "_somebody_watches", lambda: True)
    with display(quiet=False, start="starting") as shown:
        assert isinstance(shown, BarDisplay)
