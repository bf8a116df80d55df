"""`npudeck check` against nodes that print without end, speak in controls, or greet before they answer."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_sshd import SSHD
from sshd_fleet import Host, SshdFleet

from backend.cli.main import main
from backend.fleet.inventory_files import save_inventory

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(not SSHD, reason="no sshd"),
    pytest.mark.skipif(os.getuid() != 0, reason="one sshd on each address needs root's /run/sshd"),
]
ROOT = Path(__file__).resolve().parents[2]
# stands where a login shell would; $SSH_ORIGINAL_COMMAND is what was asked for
SHELLS = {
    "n01": 'echo "Welcome"; echo "to n01" >&2; exec sh -c "$SSH_ORIGINAL_COMMAND"',
    "n02": "exec yes",
    "n03": "exec head -c 3000000 /dev/urandom",
    "n04": "printf '\\033[31m[bold]red[/bold]\\033[0m\\n'; exit 1",
    "n05": "echo 'This account is not available.'; exit 1",
    "n06": (
        "case $SSH_ORIGINAL_COMMAND in *npudeck-ps*) exec yes npudeck-ps ;; esac; "
        'exec sh -c "$SSH_ORIGINAL_COMMAND"'
    ),
    "n07": (
        'case $SSH_ORIGINAL_COMMAND in *npu-smi*) exec sh -c "$(printf %s "$SSH_ORIGINAL_COMMAND" | '
        'sed \'s/npu-smi info/false/\')" ;; esac; exec sh -c "$SSH_ORIGINAL_COMMAND"'
    ),
    "n08": "exec sleep 600",
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdFleet]:
    fleet = SshdFleet(tmp_path_factory.mktemp("hostile"), 8, names="n{:02d}")
    (fleet.folder / "shared").mkdir()
    for host in fleet.hosts:
        give_shell(host, SHELLS[host.name])
    save_inventory(fleet.inventory(), str(fleet.file))
    fleet.start()
    yield fleet
    fleet.stop()


def give_shell(host: Host, text: str) -> None:
    host.shell = host.folder / "shell"
    host.shell.write_text(f"#!/bin/sh\n{text}\n")
    host.shell.chmod(0o755)


@pytest.fixture(autouse=True)
def state(fleet: SshdFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NPUDECK_INVENTORY", str(fleet.file))


def test_hostile_nodes_are_shown_safely(capsys: pytest.CaptureFixture[str]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert main(["check", "--json"]) == 4
    report = json.loads(capsys.readouterr().out)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
    states = {(found["item"], found["node"]): found for found in report["findings"]}
    # a greeting stands in nobody's way, on either stream
    assert states["ssh", "n01"]["state"] == "ok"
    assert states["npus", "n01"]["found"] == "8 NPUs"
    for name in ("n02", "n03", "n04", "n05", "n08"):
        assert states["ssh", name]["state"] == "unknown"
        assert states["npus", name]["state"] == "skipped"
    assert "not available" in states["ssh", "n05"]["found"]
    # one answer without an end is one item without an answer
    assert states["stale_processes", "n06"]["state"] == "unknown"
    assert states["npus", "n06"]["found"] == "8 NPUs"
    assert states["npus", "n07"]["state"] == "wrong"
    # a silent login costs its deadline, no more
    assert report["took_s"] < 30


def test_controls_of_a_node_reach_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--nodes", "n04"]) == 4
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[bold]red[/bold]" in shown


def test_an_interrupted_check_says_so_and_no_more(fleet: SshdFleet, tmp_path: Path) -> None:
    """While questions to many nodes are under way."""
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path), "NPUDECK_INVENTORY": str(fleet.file)}
    asked = [sys.executable, "-m", "backend.cli", "check", "--json", "--nodes", "n01,n06,n07,n08"]
    with subprocess.Popen(
        asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as check:
        time.sleep(1.5)
        check.send_signal(signal.SIGINT)
        out, error = check.communicate(timeout=20)
    assert (check.returncode, error.splitlines()[-1]) == (130, "interrupted")
    assert "Traceback" not in error
    assert json.loads(out)["exit_code"] == 130
