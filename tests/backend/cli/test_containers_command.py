"""`npudeck containers`: what a command line asks for is done or refused, never a part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cli.main import main
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Container, Inventory, Node


@pytest.fixture(autouse=True)
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = (Node("n01", "192.0.2.1", "192.0.2.1", 8, "/w"), Node("n02", "192.0.2.2", "192.0.2.2", 16, "/w"))
    path = tmp_path / "npudeck.toml"
    save_inventory(Inventory("lab", nodes, "/s", container=Container("trainer", "image")), str(path))
    monkeypatch.setenv("NPUDECK_INVENTORY", str(path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.parametrize("command", ["start", "status"])
def test_more_npus_than_a_node_has_are_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["containers", command, "n[01-02]", "--npus", "9"]) == 3
    answer = capsys.readouterr()
    assert answer.out == ""
    assert answer.err.startswith("error: --npus: 9 NPUs are more than n01 has (8)\n")
    assert "fix: " in answer.err


@pytest.mark.parametrize("command", ["start", "stop"])
def test_a_dry_run_that_reached_nobody_says_so(command: str, tmp_path: Path) -> None:
    node = Node("n01", "127.0.0.1", "127.0.0.1", 8, "/w", port=1)
    container = Container("trainer", "image")
    save_inventory(Inventory("lab", (node,), "/s", container=container), str(tmp_path / "npudeck.toml"))
    assert main(["containers", command, "n01", "--dry-run"]) == 4
