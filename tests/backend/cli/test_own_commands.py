"""Suggested commands name the inventory that was named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.cli.main import main
from backend.cli.own_commands import pasteable, remember_inventory
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Inventory, Node, SshOptions


@pytest.fixture(autouse=True)
def nothing_named() -> Iterator[None]:
    yield
    remember_inventory(None)


def test_commands_about_a_fleet_name_it() -> None:
    remember_inventory("/etc/my fleet.toml")
    npudeck = "npudeck -i '/etc/my fleet.toml'"
    assert pasteable("take it out: npudeck fleet drain n1; see `npudeck health`") == (
        f"take it out: {npudeck} fleet drain n1; see `{npudeck} health`"
    )


def test_a_relative_path_is_pasted_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    remember_inventory("lab.toml")
    assert pasteable("npudeck health") == f"npudeck -i {tmp_path}/lab.toml health"


@pytest.mark.parametrize(
    "text",
    [
        "npudeck runs list",
        "npudeck stop r1",
        "npudeck fleet init 'n[01-64]'",
        "/opt/npudeck fleet list",
        "npudeck -i other.toml health",
        "npudeck healthy",
    ],
)
def test_others_stay_as_they_are(text: str) -> None:
    remember_inventory("x.toml")
    assert pasteable(text) == text


def test_without_i_nothing_is_added() -> None:
    remember_inventory(None)
    assert pasteable("npudeck health") == "npudeck health"


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A node that nobody reaches."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    node = Node("n01", "127.0.0.1", "127.0.0.1", 8, "/w", port=1)
    path = str(tmp_path / "lab.toml")
    save_inventory(Inventory("lab", (node,), "/s", ssh=SshOptions()), path)
    return path


def test_what_health_advises(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-i", inventory, "health"]) == 4
    assert f"npudeck -i {inventory} check --nodes n01" in capsys.readouterr().out


def test_not_what_the_shell_knows(
    inventory: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPUDECK_INVENTORY", inventory)
    assert main(["health"]) == 4
    assert "npudeck check --nodes n01" in capsys.readouterr().out


def test_what_an_error_advises(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-i", inventory, "n01"]) == 3
    assert f"npudeck -i {inventory} check --nodes n01" in capsys.readouterr().err
