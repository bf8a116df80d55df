"""`npudeck check`: words of the command line that are easily taken for others."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cli.main import main
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Inventory, Node


@pytest.fixture(autouse=True)
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = tuple(Node(name, "192.0.2.1", "192.0.2.1", 8, "/w") for name in ("n01", "n02"))
    save_inventory(Inventory("lab", nodes, "/s"), str(tmp_path / "npudeck.toml"))
    monkeypatch.setenv("NPUDECK_INVENTORY", str(tmp_path / "npudeck.toml"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("word", "quoted"), [("n01", "n01"), ("n[01-02]", "'n[01-02]'"), ("all", "all")])
def test_nodes_in_the_place_of_the_recipe(word: str, quoted: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All other commands take them there."""
    assert main(["check", word]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"error: RECIPE: {word} names nodes")
    assert f"fix: npudeck check --nodes {quoted}\n" in said


def test_a_file_of_that_name_is_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "n01").write_text("no recipe")
    assert main(["check", "n01"]) == 3
    assert "names nodes" not in capsys.readouterr().err


def test_what_is_neither(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "recipe.toml"]) == 3
    assert "recipe.toml does not exist" in capsys.readouterr().err
