"""`npudeck fleet hold --steal` against real OpenSSH servers: ended half way, it leaves nothing unsaid."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback_sshd import SSHD
from sshd_fleet import SshdFleet, running_fleet

from backend.cli.main import main

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(not SSHD, reason="no sshd"),
    pytest.mark.skipif(os.getuid() != 0, reason="one sshd on each address needs root's /run/sshd"),
]

Ask = Callable[..., tuple[int, Any]]
BOB = "r8-aaaaaa"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshdFleet]:
    with running_fleet(tmp_path, monkeypatch) as fleet:
        yield fleet


@pytest.fixture
def ask(fleet: SshdFleet, ask: Ask) -> Ask:
    """Bob's run holds the NPUs 2 and 3 of every node."""
    assert ask("fleet", "hold", "all", "--npus", "2-3")[0] == 0
    for host in fleet.hosts:
        for lease in (host.folder / "work" / ".npudeck" / "leases").iterdir():
            lines = lease.read_text().splitlines()
            lease.write_text("\n".join([BOB, "bob@gate", *lines[2:]]) + "\n")
    return ask


def held(ask: Ask) -> list[dict[str | None, str]]:
    nodes = ask("fleet", "leases")[1]["nodes"]
    return [{lease["npu"]: lease["run"] for lease in node["leases"]} for node in nodes]


def log(fleet: SshdFleet, number: int) -> str:
    return (fleet.hosts[number].folder / "work" / ".npudeck" / "leases.log").read_text()


class Stealing:
    """`hold all --steal` of ann's that has taken n01 and n02 and waits for n03."""

    def __init__(self, fleet: SshdFleet, number: int) -> None:
        folders = [host.folder / "work" / ".npudeck" for host in fleet.hosts]
        words = ["fleet", "hold", "all", "--steal", "--reason", "half"]
        with (folders[2] / "leases.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "backend.cli", *words],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            deadline = time.monotonic() + 30
            while not all((folder / "leases" / "all").exists() for folder in folders[:2]):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(0.5)
            process.send_signal(number)
            self.err = process.communicate(timeout=30)[1]
        self.code = process.returncode


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_what_was_stolen_goes_back_to_whom_it_was_taken_from(
    fleet: SshdFleet, ask: Ask, number: signal.Signals, code: int
) -> None:
    before = held(ask)
    stealing = Stealing(fleet, number)
    assert stealing.code == code
    assert held(ask) == before == [{"2": BOB, "3": BOB}] * 3
    lines = stealing.err.splitlines()
    assert lines[:3] == [
        "given back: n[01-02]",
        f"n01: held by run {BOB} of bob@gate again",
        f"n02: held by run {BOB} of bob@gate again",
    ]
    # it could not be asked: that is said, with whose it was
    assert lines[3].startswith(f"n03 may be held still (no answer), taken from run {BOB} of bob@gate: ")
    assert f"restored: {actor_in(log(fleet, 0))} gave NPU 2 back to bob@gate: {BOB}, held; half" in log(
        fleet, 0
    )


def actor_in(text: str) -> str:
    return text.split("stolen: ")[1].split(" took ")[0]


def test_killed_it_leaves_each_node_to_one_holder(fleet: SshdFleet, ask: Ask) -> None:
    """Nobody is left to say anything: the nodes do."""
    stealing = Stealing(fleet, signal.SIGKILL)
    assert stealing.code == -signal.SIGKILL
    mine = {npu: run[:7] for npu, run in held(ask)[0].items()}
    # the third was still waiting: its asker is gone, and so nothing is taken
    assert [mine, held(ask)[2]] == [{None: "by-hand"}, {"2": BOB, "3": BOB}]
    assert f"took NPU 2 from bob@gate: {BOB}, held; half" in log(fleet, 1)
    assert ask("fleet", "release", "n[01-02]")[0] == 0
    assert held(ask) == [{}, {}, {"2": BOB, "3": BOB}]


def test_whom_it_was_taken_from_is_said(
    fleet: SshdFleet, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("fleet", "hold", "n01", "--npus", "4")[0] == 0
    capsys.readouterr()
    assert main(["fleet", "hold", "n[01-02]", "--npus", "3-4", "--steal"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"n01: taken from run {BOB} of bob@gate",
        f"n02: taken from run {BOB} of bob@gate",
    ]
    _code, answer = ask("fleet", "hold", "n03", "--npus", "3", "--steal")
    [node] = answer["nodes"]
    assert [(lease["npu"], lease["run"]) for lease in node["taken_from"]] == [("3", BOB)]


def test_a_link_that_breaks_half_way_is_said(
    fleet: SshdFleet, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    """n02 takes, and cannot say so any more."""
    host = fleet.hosts[1]
    (host.folder / "bin").mkdir()
    slow = host.folder / "bin" / "sync"
    slow.write_text(f"#!/bin/sh\ntouch {host.folder}/taking\nsleep 2\n")
    slow.chmod(0o755)
    host.shell = host.folder / "shell"
    host.shell.write_text(f'#!/bin/sh\nPATH={host.folder}/bin:$PATH exec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    host.shell.chmod(0o755)
    fleet.kill(host)
    fleet.boot(host)
    words = ["fleet", "hold", "n[01-02]", "--npus", "3", "--steal"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "backend.cli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (host.folder / "taking").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for session in sessions_of(host.process.pid if host.process else 0):
        os.kill(session, signal.SIGKILL)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 4
    assert f"n01: taken from run {BOB} of bob@gate" in err
    assert f"it may have been taken all the same, from run {BOB} of bob@gate" in err
    assert "npudeck fleet leases n02 says who has it" in err


def sessions_of(listener: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{listener}/task/{listener}/children").read_text().split()]


# ---- several people in one account


def test_two_people_of_one_account_are_told_apart(
    fleet: SshdFleet, ask: Ask, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.9.8.7 51234 10.0.0.1 22")
    assert ask("fleet", "hold", "n01", "--npus", "0", "--as", "ann")[0] == 0
    [lease] = [one for one in ask("fleet", "leases", "n01")[1]["nodes"][0]["leases"] if one["npu"] == "0"]
    assert lease["run"].startswith("by-hand-ann@")
    assert lease["actor"].startswith("ann (")
    assert lease["actor"].endswith(" from 10.9.8.7)")
    for words in (["--as", "bea"], []):
        assert ask("fleet", "hold", "n01", "--npus", "0", *words)[0] == 6
        capsys.readouterr()
        assert main(["fleet", "release", "n01", *words]) == 6
        err = capsys.readouterr().err
        assert "held by ann (" in err
        assert "--as" in err
    assert ask("fleet", "release", "n01", "--as", "ann")[0] == 0


def test_who_became_root_is_who_holds(fleet: SshdFleet, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    _code, answer = ask("fleet", "hold", "n01", "--npus", "0")
    assert answer["nodes"][0]["leases"][0]["run"].startswith("by-hand-ann@")
    assert ask("fleet", "release", "n01", "--as", "ann")[1]["nodes"][0]["leases"][0]["npu"] == "2"


@pytest.mark.parametrize("name", ["", "a b", "../x", "a" * 65, "-x", "a\n"])
def test_names_that_are_none(fleet: SshdFleet, name: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fleet", "hold", "n01", f"--as={name}"])
    assert caught.value.code == 2
