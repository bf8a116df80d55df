"""A two-node run over the real OpenSSH server, one of them silent for half a minute."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from living_fleet import ROOT, Fleet
from loopback_sshd import SSHD, Sshd

from backend.demo.demo_layout import claim
from backend.demo.demo_node import simulator_script
from backend.demo.marked_processes import end_all
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Inventory, SshOptions

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.torch,
    pytest.mark.skipif(not SSHD or not shutil.which("ssh-keygen"), reason="needs OpenSSH's sshd"),
]
NAMES = ("n01", "n02")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Fleet, dict[str, Sshd]]]:
    for name in ("torch", "tokenizers", "safetensors"):
        pytest.importorskip(name)
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc")
    from backend.demo.workspace import build_workspace

    layout = claim(tmp_path / "fleet")
    build_workspace(layout)
    found: dict[str, Sshd] = {}
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": str(ROOT)}
    fleet = Fleet(layout.root, tmp_path / "state", environment)
    try:
        for name in NAMES:
            found[name] = start_server(tmp_path / name, name, layout.root)
        save_inventory(inventory(tmp_path, str(layout.shared), found), str(layout.inventory))
        yield fleet, found
    finally:
        for server in found.values():
            server.kill()
        end_all(str(layout.root))
        for pid in fleet.supervisors():
            os.kill(pid, 9)


def start_server(folder: Path, name: str, fleet: Path) -> Sshd:
    folder.mkdir()
    marks = {"DEMO_FLEET": str(fleet), "DEMO_NODE": name, "CUDA_VISIBLE_DEVICES": ""}
    server = Sshd(folder, marks)
    tool = server.folder / "bin" / "npu-smi"
    tool.write_text(simulator_script(server.folder / "npus.json", ""))
    tool.chmod(0o755)
    server.start()
    return server


def inventory(folder: Path, shared: str, servers: dict[str, Sshd]) -> Inventory:
    known = folder / "known_hosts"
    known.write_text("".join((server.folder / "known_hosts").read_text() for server in servers.values()))
    nodes = []
    for name, server in servers.items():
        nodes.append(replace(server.node(), name=name, python=sys.executable, device="cpu"))
    keys = tuple(str(server.folder / "id") for server in servers.values())
    options = SshOptions(config="none", known_hosts=str(known), identity_files=keys)
    return Inventory("sshd", tuple(nodes), shared, options)


def test_half_a_minute_without_sshd_is_unknown_and_loses_nothing(
    servers: tuple[Fleet, dict[str, Sshd]],
) -> None:
    fleet, by_name = servers
    run_id = fleet.launch(fleet.recipe("silent", 200))
    fleet.until(run_id, lambda run: run["iterations"] >= 3, 90)
    by_name["n02"].kill()
    silent_since = time.monotonic()
    fleet.until(run_id, lambda run: run["state"] == "unknown", 25)
    assert fleet.npudeck("health").returncode == 4
    while time.monotonic() - silent_since < 30:
        assert fleet.show(run_id)["state"] == "unknown"
        time.sleep(2)
    by_name["n02"].start()
    run = fleet.until(run_id, lambda run: run["state"] not in ("unknown", "running"), 120)
    assert run["state"] == "finished", run["reason"]
    fleet.exactly_once(run, 200)
    assert fleet.jobs() == []
