"""Whatever happens, a task ends with a status and, when it failed, with one JSON line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backend.node import main as entry


def last_problem(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    problem: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert set(problem) == {"field", "severity", "what", "why", "fix"}
    return problem


@pytest.mark.parametrize("argv", [[], ["data"], ["dance", "job.json"], ["data", "job.json", "more"]])
def test_a_wrong_command_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(argv) == 1
    assert last_problem(capsys)["field"] == "task"


@pytest.mark.parametrize("text", [None, "{", "[]", "\udcff"])
def test_a_job_file_that_cannot_be_read(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "job.json"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert entry.main(["data", str(path)]) == 1
    assert last_problem(capsys)["field"] == "job"


def test_the_unexpected_ends_with_a_problem_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: str, _job: dict[str, Any]) -> int:
        raise ZeroDivisionError("division by zero\nand more")

    monkeypatch.setitem(entry.TASKS, "data", fail)
    path = tmp_path / "job.json"
    path.write_text("{}")
    assert entry.main(["data", str(path)]) == 1
    assert last_problem(capsys)["why"] == "ZeroDivisionError: division by zero"


def test_the_self_check_reports_every_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--self-check"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["failed"] == {}
    assert "backend.node.train.launcher" in report["imported"]


def test_what_a_library_says_is_cut_to_its_first_sentence() -> None:
    pytest.importorskip("torch")
    from backend.node.train.train import _first_sentence

    said = (
        "[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4711. "
        "This is an internal error, good luck"
    )
    assert _first_sentence(said) == "Connection closed by peer [127.0.0.1]:4711"
    assert _first_sentence("plain\nsecond line") == "plain"
