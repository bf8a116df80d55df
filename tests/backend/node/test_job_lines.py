from __future__ import annotations

import json

import pytest

from backend.node import job_lines


@pytest.fixture(autouse=True)
def fresh_pace(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(job_lines._Pace, "last", float("-inf"))
    monkeypatch.setattr(job_lines.time, "monotonic", lambda: now[0])
    return now


def test_progress_comes_at_most_twice_a_second(
    fresh_pace: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    for step in range(10):
        fresh_pace[0] = 100.0 + step / 10
        job_lines.print_progress(step, 100, "records")
    lines = [json.loads(line)["progress"] for line in capsys.readouterr().out.splitlines()]
    assert [line["done"] for line in lines] == [0, 5]
    assert lines[0] == {"done": 0, "total": 100, "unit": "records", "text": ""}


def test_the_last_line_always_comes(capsys: pytest.CaptureFixture[str]) -> None:
    job_lines.print_progress(1, 2, "rank files", "一")
    job_lines.print_progress(2, 2, "rank files")
    assert [json.loads(line)["progress"]["done"] for line in capsys.readouterr().out.splitlines()] == [1, 2]


def test_a_problem_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    job_lines.print_problem("input", "no such file: a\nb", "", "look")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert json.loads(err) == {
        "field": "input",
        "severity": "error",
        "what": "no such file: a\nb",
        "why": "",
        "fix": "look",
    }


def test_a_missing_key_is_named() -> None:
    with pytest.raises(job_lines.JobError) as caught:
        job_lines.require({"a": 1}, ("a", "b"))
    assert (caught.value.field, caught.value.what) == ("b", "the job does not say b")
