"""`npudeck fleet list`: a list without nodes is an answer too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.cli.main import main
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Inventory, Node


@pytest.fixture(autouse=True)
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = tuple(Node(name, name, name, 8, "/w") for name in ("n01", "n02"))
    path = str(tmp_path / "npudeck.toml")
    save_inventory(Inventory("lab", nodes, "/s", groups=(("rack-a", ("n01",)),)), path)
    monkeypatch.setenv("NPUDECK_INVENTORY", path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.parametrize("words", [["drained"], ["@drained"], ["rack-a&drained"], ["all!all"]])
def test_no_node_is_an_empty_list(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "list", *words]) == 0
    answer = capsys.readouterr()
    assert (answer.out, answer.err) == ("no node\n", "")
    assert main(["fleet", "list", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["nodes"] == []


def test_what_does_not_exist_stays_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "list", "rack-b"]) == 3
    assert main(["fleet", "list", ""]) == 3
    assert "rack-b" in capsys.readouterr().err


def test_other_commands_want_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "leases", "drained"]) == 3
    assert "means no node" in capsys.readouterr().err
