from __future__ import annotations

import pytest

from backend.node.pace import seconds_left
from backend.node.weights.progress import Progress, print_lines, progress_words


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(0, 10**10, 0.0), "0.00 GB/s"),
        (Progress(10**9, 10**10, 0.5), "2.00 GB/s"),
        (Progress(2 * 10**9, 10**10, 2.0), "1.00 GB/s, 8 s left"),
        (Progress(10**9, 10**12, 1.0), "1.00 GB/s, 17 min left"),
        (Progress(10**10, 10**10, 20.0), "0.50 GB/s"),
    ],
)
def test_rate_and_time_left(progress: Progress, words: str) -> None:
    assert progress_words(progress) == words


def test_nobody_knows_at_first() -> None:
    assert seconds_left(0, 100, 5.0) is None


def test_a_note_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(Progress(0, 0, 0.0, "something to know"))
    print_lines(Progress(100, 100, 1.0))
    note, line = capsys.readouterr().out.splitlines()
    assert note == "something to know"
    assert '"done": 100, "total": 100, "unit": "bytes"' in line
