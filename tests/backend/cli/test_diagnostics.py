"""Every end of a command is one message and one exit code."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.cli.diagnostics import guard
from backend.problems import (
    ConflictError,
    HostKeyError,
    InputError,
    LocalError,
    NodeUnreachableError,
    NpudeckError,
    UsageError,
)

ROOT = Path(__file__).resolve().parents[3]


def raising(error: BaseException) -> Callable[[], int]:
    def action() -> int:
        raise error

    return action


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (NpudeckError, 1),
        (UsageError, 2),
        (InputError, 3),
        (NodeUnreachableError, 4),
        (HostKeyError, 4),
        (LocalError, 5),
        (ConflictError, 6),
    ],
)
def test_each_error_has_its_exit_code(
    kind: type[NpudeckError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind.because("what is wrong", "the rule", "what to do", field="where")
    assert guard(raising(error)) == code
    assert capsys.readouterr() == ("", "error: where: what is wrong\n  why: the rule\n  fix: what to do\n")


def test_scripts_get_the_problems_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(raising(InputError.because("wrong", field="f")), json=True) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 3
    assert document["problems"][0]["field"] == "f"


def test_interrupt_and_a_store_that_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(raising(KeyboardInterrupt())) == 130
    assert guard(raising(sqlite3.OperationalError("database or disk is full"))) == 5
    assert "disk is full" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [(KeyboardInterrupt(), 130, "interrupted"), (SystemExit(143), 143, "ended by SIGTERM")],
)
def test_an_end_from_outside_is_an_object_too(
    raised: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard(raising(raised), json=True) == code
    captured = capsys.readouterr()
    assert captured.err == f"{says}\n"
    document = json.loads(captured.out)
    assert (document["exit_code"], document["problems"][0]["what"]) == (code, says)


@pytest.mark.parametrize("raised", [SystemExit(2), SystemExit("words"), SystemExit(128 + 200)])
def test_another_exit_passes(raised: SystemExit) -> None:
    with pytest.raises(SystemExit) as caught:
        guard(raising(raised))
    assert caught.value is raised


def test_a_bug_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError):
        guard(raising(ZeroDivisionError()))


def run(script: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NPUDECK": f"{sys.executable} -P -m backend.cli"}
    return subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env=environment, cwd="/", check=False
    )


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("$NPUDECK models list >/dev/full", 5),
        ("$NPUDECK models list >&-", 5),
        ("$NPUDECK models list --json | head -c 1 >/dev/null", 0),
        ("$NPUDECK models show nothing-like-this", 3),
        ("$NPUDECK no-such-command", 2),
    ],
)
def test_streams_that_break_end_without_a_traceback(script: str, code: int) -> None:
    if "/dev/full" in script and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = run(script)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("$NPUDECK models show nothing-like-this 2>&-", 3),
        ("$NPUDECK models show nothing-like-this 2>/dev/full", 3),
        ("$NPUDECK models show nothing-like-this <&- >&- 2>&-", 3),
        ("$NPUDECK no-such-command 2>&-", 2),
        ("$NPUDECK no-such-command <&- >&- 2>&-", 2),
        ("$NPUDECK models list <&- >&- 2>&-", 5),
        ("$NPUDECK models list <&- 2>&-", 0),
    ],
)
def test_closed_streams_leave_the_exit_code(script: str, code: int) -> None:
    if "/dev/full" in script and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    assert run(script).returncode == code


CLOSED = """
import os
from backend.cli.diagnostics import prepare_streams
prepare_streams()
with open("{path}", "w") as stream:
    os.write(2, b"of a library")
    stream.write(str(stream.fileno()))
"""


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    script = tmp_path / "closed.py"
    script.write_text(CLOSED.format(path=tmp_path / "out"))
    assert run(f"{sys.executable} {script} <&- >&- 2>&-").returncode == 0
    assert int((tmp_path / "out").read_text()) > 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_character_makes_a_stream_raise(encoding: str, tmp_path: Path) -> None:
    recipe = tmp_path / "文件é😀.toml"
    recipe.write_text("x")
    name = str(recipe).encode()
    for words in ("--help", "data --help", f"models show {recipe}", f"models show {recipe} --json"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "LC_ALL": "C"}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "backend.cli", *words.split()],
            capture_output=True,
            env=environment,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr
        if words.endswith("--json"):
            assert str(recipe) in json.loads(done.stdout.decode(encoding))["problems"][0]["what"]
        elif encoding == "utf-8" and "show" in words:
            assert name in done.stderr


def test_control_characters_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError.because("no such file: \x1b[2Ja\x9b\u202e\udcff\r文\tb", "first\nsecond")
    assert guard(raising(error)) == 3
    assert capsys.readouterr().err == (
        "error: no such file: \\x1b[2Ja\\x9b\\u202e\\udcff\\x0d文\tb\n  why: first\nsecond\n"
    )
