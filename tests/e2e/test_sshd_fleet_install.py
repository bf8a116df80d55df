"""The code package's install.sh on real sshd nodes: once, without a network, and to some end."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ascend_package import SOURCES, bundle, git, llm_package
from loopback_sshd import SSHD
from sshd_fleet import SshdFleet, running_fleet

from backend.cli import fleet_push_run
from backend.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
INSTALL_SH = "llm_train__AscendSpeed__scripts__install_dot_sh"

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(not SSHD, reason="no sshd"),
    pytest.mark.skipif(os.getuid() != 0, reason="one sshd on each address needs root's /run/sshd"),
]

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshdFleet]:
    with running_fleet(tmp_path, monkeypatch) as fleet:
        yield fleet


def work(fleet: SshdFleet, number: int) -> Path:
    return fleet.hosts[number].folder / "work"


@pytest.mark.skipif(not shutil.which("git"), reason="no git")
def test_installed_once_without_a_network(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    package, mirrors = tmp_path / "p.zip", bundle(tmp_path / "bundle")
    package.write_bytes(llm_package())
    words = ["fleet", "push", "code", str(package), "--nodes", "n[01-02]", "--install"]
    # git.invalid exists nowhere: without the bundle it fails, and says how
    code, said = ask(*words)
    assert code == 4
    assert "install.sh failed" in said["folders"][0]["problems"][0]["what"]
    assert "git.invalid" in said["folders"][0]["problems"][0]["what"]
    code, said = ask(*words, "--bundle", str(mirrors))
    assert code == 0, said
    assert [part["installed"] for part in said["folders"]] == ["now", "now"]
    code, said = ask(*words, "--bundle", str(mirrors))
    assert [part["installed"] for part in said["folders"]] == ["before", "before"]
    assert (work(fleet, 0) / "installs").read_text() == "run\nrun\n"
    settings = (work(fleet, 0) / "llm_train/AscendSpeed/pip-settings").read_text()
    assert settings == f"1 {work(fleet, 0)}/.npudeck/bundle/wheels\n"
    code, compared = ask("fleet", "code", "n[01-02]")
    assert (code, compared["same"]) == (0, True)
    assert {len(commit) for commit in compared["groups"][0]["commits"].values()} == {40}
    # somebody moves one source on on one node
    moved = work(fleet, 1) / "llm_train/AscendSpeed/MindSpeed"
    git(["-C", str(moved), "-c", "user.name=t", "-c", "user.email=t@t.invalid",
         "commit", "-q", "--allow-empty", "-m", "two"])  # fmt: skip
    code, compared = ask("fleet", "code", "n[01-02]")
    assert (code, compared["same"]) == (1, False)
    first, second = (group["commits"] for group in compared["groups"])
    assert [name for name in SOURCES if first[name] != second[name]] == ["MindSpeed"]


def test_an_installation_that_prints_without_end_is_ended(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    mark = f"noise{os.getpid()}"
    (tmp_path / "p.zip").write_bytes(llm_package(**{INSTALL_SH: f"#!/bin/sh\nyes {mark}\n"}))
    code, said = ask("fleet", "push", "code", str(tmp_path / "p.zip"), "--install", "--nodes", "n01")
    assert code == 4
    [problem] = said["folders"][0]["problems"]
    assert problem["what"] == "install.sh was ended: it had printed more than 64 MB"
    [log] = work(fleet, 0).rglob("out.log")
    assert problem["fix"] == f"read {log} there"
    assert log.stat().st_size == 64_000_000
    assert subprocess.run(["pgrep", "-f", f"^yes {mark}"], check=False).returncode == 1


def test_long_installations_are_heard_of(
    fleet: SshdFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fleet_push_run, "_TICK_S", 0.5)
    (tmp_path / "p.zip").write_bytes(llm_package(**{INSTALL_SH: "#!/bin/sh\nsleep 3\n"}))
    assert main(["fleet", "push", "code", str(tmp_path / "p.zip"), "--install"]) == 0
    assert re.search(r"^installing on n\[01-03\], for [\d.]+ s$", capsys.readouterr().err, re.MULTILINE)


def test_an_installation_that_was_killed(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(llm_package(**{INSTALL_SH: "#!/bin/sh\necho begun\nkill -9 $$\n"}))
    _code, said = ask("fleet", "push", "code", str(tmp_path / "p.zip"), "--install", "--nodes", "n01")
    assert said["folders"][0]["problems"][0]["what"] == "install.sh failed (SIGKILL): begun"


def test_an_interrupted_push_says_that_the_installation_goes_on(fleet: SshdFleet, tmp_path: Path) -> None:
    mark = f"33{os.getpid()}"
    (tmp_path / "p.zip").write_bytes(llm_package(**{INSTALL_SH: f"#!/bin/sh\nsleep {mark}\n"}))
    words = ["fleet", "push", "code", str(tmp_path / "p.zip"), "--install", "--nodes", "n01"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "backend.cli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def sleeps() -> bool:
        return subprocess.run(["pgrep", "-f", f"^sleep {mark}"], check=False).returncode == 0

    until(sleeps)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "n01: the installation goes on; the same command joins it" in err
    assert err.splitlines()[-2:] == ["the same command again goes on where this one was", "interrupted"]
    assert sleeps()
    # the way that it names is the way
    ending = err.split("joins it, npudeck ")[1].split(" ends it")[0]
    subprocess.run(
        ["sh", "-c", f"exec {shlex.quote(sys.executable)} -P -m backend.cli {ending}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    until(lambda: not sleeps())


def until(condition: Callable[[], Any], limit_s: float = 60) -> Any:
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found
