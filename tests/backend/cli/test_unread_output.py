"""A reader of stdout that has gone takes nothing but the writing: the status is the command's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_llama

from backend.events import RunCreated, RunStateChanged, RunStatus
from backend.store.run_store import RunStore

ROOT = Path(__file__).resolve().parents[3]


def unread(*words: object, code: str = "", home: Path | None = None) -> tuple[int, str]:
    """Run npudeck, or Python `code`, where nobody reads stdout: exit code, stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    program = ["-c", code] if code else ["-P", "-m", "backend.cli"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if home is not None:
        environment["XDG_STATE_HOME"] = str(home)
    try:
        done = subprocess.run(
            [sys.executable, *program, *map(str, words)],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("numpy")
    folder = tmp_path_factory.mktemp("models")
    return tiny_llama.make(folder / "one"), tiny_llama.make(folder / "two", seed=2)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_no_stays_a_no(models: tuple[Path, Path], flags: tuple[str, ...]) -> None:
    one, two = models
    assert unread("weights", "verify", one, two, *flags) == (1, "")
    assert unread("weights", "verify", one, one, *flags) == (0, "")
    assert unread("weights", "check-files", one, *flags) == (1, "")


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_an_error_stays_an_error(tmp_path: Path, flags: tuple[str, ...]) -> None:
    code, said = unread("models", "show", "nothing-like-this", *flags)
    assert (code, said.startswith("error: ")) == (3, True)
    code, said = unread("models", "no-such-word", *flags)
    assert (code, "error: " in said) == (2, True)


def test_what_is_done_is_done(models: tuple[Path, Path], tmp_path: Path) -> None:
    words = ("weights", "to-megatron", models[0], tmp_path / "tree", "--tp", 1, "--pp", 1)
    assert unread(*words) == (0, "")
    assert (tmp_path / "tree" / "latest_checkpointed_iteration.txt").is_file()


def test_another_pipe_that_breaks_is_an_error() -> None:
    code = (
        "import os, sys\n"
        "from backend.cli.diagnostics import guard\n"
        "def action():\n"
        "    reader, writer = os.pipe()\n"
        "    os.close(reader)\n"
        "    os.write(writer, b'x')\n"
        "sys.exit(guard(action))\n"
    )
    assert unread(code=code) == (5, "error: Broken pipe\n  why: this machine refused\n")


def test_a_long_report_ends_when_nobody_reads_it() -> None:
    code = (
        "import itertools\n"
        "from backend.cli.report_output import print_report\n"
        "print_report(None, map(str, itertools.count()), json=False)\n"
    )
    assert unread(code=code) == (0, "")


def test_rounds_end_with_the_status_of_the_last(tmp_path: Path) -> None:
    inventory = tmp_path / "npudeck.toml"
    inventory.write_text(
        '[fleet]\nname = "lab"\nwork_directory = "/w"\nshared_directory = "/s"\nnpus_per_node = 2\n'
        '[[nodes]]\nname = "n01"\n'
    )
    code = (
        "import sys\n"
        "from backend.cli import health_rounds\n"
        "from backend.cli.main import main\n"
        "from backend.problems import NodeUnreachableError\n"
        "async def observe_once(transport, node, timeout_s):\n"
        "    raise NodeUnreachableError.because('no answer')\n"
        "health_rounds.observe_once = observe_once\n"
        f"sys.exit(main(['-i', {str(inventory)!r}, 'health', '--watch', '--interval', '0.1']))\n"
    )
    assert unread(code=code) == (4, "")


FOLLOW = """
import sys
from backend.cli.main import main
from backend.runs import follow_run_worker
follow_run_worker.ensure_supervisor = lambda run: None
sys.exit(main({words!r}))
"""


def test_a_run_that_goes_on_has_no_status_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    store = RunStore()
    run = store.create_run(
        RunCreated("", 1.0, "a", "m", "pretrain", "native", ("n1",), 2, 9, 8, 128, "lab", "/i", "", "me"), {}
    )
    store.append([RunStateChanged(run.run_id, 1.5, RunStatus.PREPARING)])
    follow = FOLLOW.format(words=["watch", run.run_id])
    assert unread(code=follow, home=tmp_path) == (141, "")
    assert unread("logs", run.run_id, home=tmp_path) == (0, "")
    store.append([RunStateChanged(run.run_id, 2.0, RunStatus.FAILED, "a rank died", 1)])
    assert unread(code=follow, home=tmp_path) == (1, "")
