"""`npudeck fleet drain` and `undrain`: what is said is what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backend.cli.main import main
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Inventory, Node


@pytest.fixture(autouse=True)
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = tuple(Node(name, name, name, 8, "/w") for name in ("n01", "n02", "n03"))
    path = str(tmp_path / "npudeck.toml")
    save_inventory(Inventory("lab", nodes, "/s"), path)
    monkeypatch.setenv("NPUDECK_INVENTORY", path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def reasons(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert main(["fleet", "list", "--json"]) == 0
    nodes = json.loads(capsys.readouterr().out)["nodes"]
    return {node["node"]: node["drained"]["why"] for node in nodes if node["drained"]}


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["fleet", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_first_reason_stays_and_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "drain", "n[01-02]", "--reason", "fan noise"]) == 0
    assert capsys.readouterr().out == "drained: n[01-02]\n"
    assert main(["fleet", "drain", "n[01-03]", "--reason", "other"]) == 0
    said = capsys.readouterr()
    first, second = said.out.splitlines()
    assert first == "drained: n03"
    assert second.startswith("drained already: n[01-02], by ")
    assert second.endswith(": fan noise")
    assert "--replace" in said.err
    assert reasons(capsys) == {"n01": "fan noise", "n02": "fan noise", "n03": "other"}


def test_replaced_when_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "drain", "n01", "--reason", "fan noise"]) == 0
    capsys.readouterr()
    assert main(["fleet", "drain", "n01", "--replace", "--reason", "other"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("written anew: n01, until now by ")
    assert said.endswith(": fan noise\n")
    assert reasons(capsys) == {"n01": "other"}


def test_json_says_what_was_written_and_what_stood_there(capsys: pytest.CaptureFixture[str]) -> None:
    first = answer(capsys, "drain", "n01", "--reason", "fan noise")
    assert first == {"changed": ["n01"], "unchanged": [], "drained_before": {}}
    again = answer(capsys, "drain", "n[01-02]", "--reason", "other")
    assert (again["changed"], again["unchanged"]) == (["n02"], ["n01"])
    assert again["drained_before"]["n01"]["why"] == "fan noise"
    replaced = answer(capsys, "drain", "n01", "--replace", "--reason", "other")
    assert (replaced["changed"], replaced["unchanged"]) == (["n01"], [])
    assert answer(capsys, "undrain", "n01", "n03") == {"changed": ["n01"], "unchanged": ["n03"]}
