"""`npudeck demo` as people use it: processes that live on, are found again, and leave nothing."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.cli.main import main
from backend.demo import demo_fleet
from backend.demo.demo_control import ask
from backend.demo.demo_layout import DemoLayout, claim, default_root
from backend.demo.marked_processes import marked

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "backend.cli", "demo"]
pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(shutil.which("ssh") is None, reason="needs an ssh client"),
]


@pytest.fixture(autouse=True)
def extra_train() -> None:
    for name in ("torch", "tokenizers", "safetensors"):
        pytest.importorskip(name)


@pytest.fixture
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoLayout]:
    """The default demo, in a state directory of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    layout = DemoLayout(default_root())
    yield layout
    demo_fleet.stop(layout)


def until(condition: Callable[[], bool], deadline_s: float = 30.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def ssh(layout: DemoLayout, node: str, command: str) -> subprocess.CompletedProcess[str]:
    """By OpenSSH's own client, strictly."""
    port = json.loads(layout.record.read_text())["ports"][node]
    options = [f'UserKnownHostsFile="{layout.known_hosts}"', "StrictHostKeyChecking=yes", "BatchMode=yes"]
    argv = ["ssh", "-F", "none", "-i", str(layout.client_key), "-p", str(port)]
    argv += [word for option in options for word in ("-o", option)]
    return subprocess.run(
        [*argv, "demo@127.0.0.1", command], capture_output=True, text=True, timeout=30, check=False
    )


def hosts_pid(layout: DemoLayout) -> int:
    return int(json.loads(layout.record.read_text())["pid"])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fleet_alone_until_interrupted(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "a fleet"
    process = subprocess.Popen(
        [*COMMAND, "fleet", "--dir", str(folder), "--nodes", "2"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(folder / "npudeck.toml")
        layout = DemoLayout(folder)
        assert layout.recipe.exists()
        assert "910B3" in ssh(layout, "demo-2", "npu-smi info").stdout
        ssh(layout, "demo-1", "setsid sleep 60 >/dev/null 2>&1 </dev/null &")
        until(lambda: any(marked(str(folder))))
        process.send_signal(number)
        assert process.wait(20) == 0
        assert not any(marked(str(folder)))
    finally:
        process.kill()
        process.wait()


def test_the_console_gets_the_fleet_and_the_fleet_outlives_it(
    state_home: DemoLayout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # as in a browser: this console needs no terminal
    monkeypatch.setenv("TEXTUAL_DRIVER", "elsewhere")
    opened = []

    def console(arguments: argparse.Namespace) -> int:
        opened.append((arguments.inventory, arguments.recipe))
        return 0

    assert main(["demo"], open_console=console) == 0
    pid = hosts_pid(state_home)
    assert "npudeck demo stop" in capsys.readouterr().err
    assert os.getsid(pid) != os.getsid(0)
    ssh(state_home, "demo-1", "setsid sleep 60 >/dev/null 2>&1 </dev/null &")
    assert main(["demo"], open_console=console) == 0
    assert hosts_pid(state_home) == pid
    assert opened == [(str(state_home.inventory), str(state_home.recipe))] * 2
    assert main(["demo", "stop"]) == 0
    until(lambda: not is_alive_or_zombie(pid))
    assert not any(marked(str(state_home.root)))
    assert main(["demo", "stop"]) == 0
    assert "no demo fleet" in capsys.readouterr().err


def is_alive_or_zombie(pid: int) -> bool:
    """Our own ended child is a zombie until we look."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return is_alive(pid)


def test_jobs_of_killed_hosts_are_swept(state_home: DemoLayout) -> None:
    layout = claim(state_home.root)
    assert demo_fleet.ensure_running(layout, 2)
    ssh(layout, "demo-1", "setsid sleep 60 >/dev/null 2>&1 </dev/null &")
    os.kill(hosts_pid(layout), signal.SIGKILL)
    until(lambda: not demo_fleet.is_living(layout))
    assert any(marked(str(layout.root)))
    demo_fleet.stop(layout)
    assert not any(marked(str(layout.root)))
    assert demo_fleet.ensure_running(layout, 2)


def test_hosts_that_do_not_answer_are_ended(state_home: DemoLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_fleet, "END_DEADLINE_S", 0.5)
    layout = claim(state_home.root)
    demo_fleet.ensure_running(layout, 2)
    pid = hosts_pid(layout)
    os.kill(pid, signal.SIGSTOP)
    assert demo_fleet.stop(layout)
    until(lambda: not is_alive_or_zombie(pid))


def test_a_temporary_fleet_ends_with_its_parent_however_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    program = (
        "import pathlib, sys, time; from backend.demo import demo_fleet;"
        "from backend.demo.demo_layout import claim;"
        "layout = claim(pathlib.Path(sys.argv[1])); process = demo_fleet.start_temporary(layout, 2);"
        "demo_fleet.wait_until_up(layout, process); print('up', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    pid = hosts_pid(DemoLayout(folder))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not is_alive(pid) and not folder.exists())


def test_hosts_that_cannot_start_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    layout = claim(tmp_path / "fleet")
    with pytest.raises(demo_fleet.LocalError, match=re.escape(str(layout.log))):
        demo_fleet.ensure_running(layout, 2)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["bogus"], 2),
        (["--json"], 2),
        (["fleet"], 2),
        (["fleet", "--dir", "x", "--nodes", "1"], 2),
        (["fleet", "--dir", "/proc"], 3),
        ([], 5),
    ],
)
def test_words_that_make_no_sense(
    words: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        answer: object = main(["demo", *words])
    except SystemExit as stopped:
        answer = stopped.code
    assert answer == code
    assert list(tmp_path.iterdir()) == []


def test_control_says_who_lives_here(state_home: DemoLayout) -> None:
    layout = claim(state_home.root)
    demo_fleet.ensure_running(layout, 2)
    status = json.loads(ask(layout, "status"))
    assert status["pid"] == hosts_pid(layout)
    assert [node["state"] for node in status["nodes"]] == ["up", "up"]


@pytest.mark.long
def test_headless_trains_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    result = subprocess.run(
        [*COMMAND, "--headless", "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["state"], summary["nodes"], summary["npus"], summary["iterations"]) == (
        "finished",
        2,
        4,
        120,
    )
    assert summary["last_loss"] < summary["first_loss"] - 1
    assert summary["tokens_per_s_per_npu"] > 0
    assert list((tmp_path / "tmp").iterdir()) == []
