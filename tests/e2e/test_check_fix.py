"""`npudeck check --fix` on real machines: what it shows, asks, changes and leaves alone."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from machines import WORK, Machines, why_not
from ready_machines import (
    Check,
    bad,
    inventory,
)

from backend.cli.main import main

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.sshd, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


def test_fix_shows_asks_and_puts_right(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.run(f"umount {WORK} && rmdir {WORK}")
    try:
        code, report = check("--fix")
        assert (code, report["repairs"]) == (1, [])  # nobody can be asked
        code, report = check("--fix", "--yes")
        assert (code, bad(report)) == (0, {})
        (repair,) = report["repairs"]
        assert (repair["node"], repair["command"], repair["ok"]) == ("m2", ["mkdir", "-p", "--", WORK], True)
    finally:
        second.run(f"mkdir -p {WORK} && mount --bind {second.work} {WORK}")


def test_where_nothing_may_be_done_it_is_said(
    machines: Machines, capsys: pytest.CaptureFixture[str], check: Check
) -> None:
    machines.all[1].show_npus(range(7))
    try:
        words = ["check", "-i", str(machines.folder / "npudeck.toml"), "--nodes", "m2", "--fix", "--yes"]
        assert main(words) == 1
    finally:
        machines.all[1].show_npus()
    assert "there is nothing that --fix would do about it" in capsys.readouterr().out.splitlines()


def test_fix_takes_back_what_root_unpacked(machines: Machines, check: Check) -> None:
    second, outside = machines.all[1], machines.folder / "outside"
    outside.write_text("")
    second.run(f"mkdir {WORK}/code && touch {WORK}/code/a && chown -R 4242 {WORK}/code")
    second.run(f"ln -s {outside} {WORK}/code/link && chown -h 4242 {WORK}/code/link {outside}")
    code, report = check("--fix", "--yes")
    assert (code, bad(report)) == (0, {})
    assert (second.work / "code" / "a").stat().st_uid == 0
    # where a link leads is not touched
    assert outside.stat().st_uid == 4242
    second.run(f"rm -r {WORK}/code")


def test_a_terminal_is_asked_before_anything_is_changed(
    machines: Machines, check: Check, tmp_path: Path
) -> None:
    second = machines.all[1]
    second.run(f"mkdir {WORK}/mine && chown 4242 {WORK}/mine")
    try:
        assert "run this command? [y/N]" in on_a_terminal(machines, tmp_path, b"n\n")
        assert (second.work / "mine").stat().st_uid == 4242
        shown = on_a_terminal(machines, tmp_path, b"y\n")
        assert "on m2: sh -c 'find" in shown
        assert (second.work / "mine").stat().st_uid == 0
    finally:
        second.run(f"rm -r {WORK}/mine")


def on_a_terminal(machines: Machines, tmp_path: Path, answer: bytes) -> str:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-P", "-m", "backend.cli", "-i", str(machines.folder / "npudeck.toml"), "check"]
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path / "s"),
        "PYTHONPATH": str(ROOT),
        "TERM": "dumb",
    }
    words = [str(machines.folder / "recipe.toml"), "--nodes", "m1,m2", "--fix"]
    process = subprocess.Popen(
        [*argv, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd="/"
    )
    os.close(theirs)
    said = b""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
        if said.rstrip().endswith(b"[y/N]"):
            os.write(ours, answer)
    process.wait(30)
    os.close(ours)
    return said.decode()


def test_yes_without_fix_makes_no_sense(check: Check) -> None:
    assert check("--yes")[0] == 2


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_is_none(check: Check, port: str) -> None:
    with contextlib.suppress(SystemExit):
        assert check("--port", port)[0] == 2


def test_another_login_user_repairs_with_sudo(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.run("echo 'ops:x:4242:4242::/tmp:/bin/sh' >>/etc/passwd && echo 'ops:*:1::::::' >>/etc/shadow")
    second.run(f"mkdir {WORK}/of-root && chown 4242 {WORK}")
    inventory(machines, user="ops")
    machines.all[0].run("echo 'ops:x:0:0::/root:/bin/sh' >>/etc/passwd && echo 'ops:*:1::::::' >>/etc/shadow")
    try:
        code, report = check("--fix", "--yes")
    finally:
        inventory(machines)
        for machine in machines.all:
            machine.run("sed -i /^ops:/d /etc/passwd /etc/shadow")
        second.run(f"chown 0 {WORK}; rmdir {WORK}/of-root")
    assert code == 1
    (repair,) = report["repairs"]
    assert (repair["item"], repair["command"][:5]) == (
        "owner",
        ["sudo", "-n", "sh", "-c", repair["command"][4]],
    )
    # nobody allowed this user anything: said, and the item stays wrong
    assert repair["ok"] is False
    assert bad(report)["owner", "m2"] == "wrong"
