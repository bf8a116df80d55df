"""Nodes out of service: remembered with who, when and why, apart for each inventory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backend.fleet.drain_files import Drain, drain, drains_of, undrain, with_drained
from backend.inventory import Inventory, Node
from backend.problems import LocalError

ANN = Drain("ann@gate", 1_700_000_000.0, "ECC on NPU 3")


@pytest.fixture
def fleet(tmp_path: Path) -> Inventory:
    nodes = tuple(Node(name, name, name, 8, "/w") for name in ("n01", "n02", "n03"))
    return Inventory("lab", nodes, "/s", path=str(tmp_path / "npudeck.toml"))


def test_drained_and_back(fleet: Inventory, tmp_path: Path) -> None:
    assert drains_of(fleet, tmp_path) == {}
    assert drain(fleet, tmp_path, ["n03", "n01"], ANN) == {}
    assert drains_of(fleet, tmp_path) == {"n03": ANN, "n01": ANN}
    assert with_drained(fleet, tmp_path).drained == ("n01", "n03")
    assert undrain(fleet, tmp_path, ["n01", "n02"]) == ("n01",)
    assert with_drained(fleet, tmp_path).group("drained") == ("n03",)
    assert (tmp_path / "drained.json").stat().st_mode & 0o777 == 0o600


def test_the_first_word_stays_unless_it_is_to_be_replaced(fleet: Inventory, tmp_path: Path) -> None:
    drain(fleet, tmp_path, ["n01"], ANN)
    bob = Drain("bob@gate", 2.0, "memory replaced, watching")
    assert drain(fleet, tmp_path, ["n01", "n02"], bob) == {"n01": ANN}
    assert drains_of(fleet, tmp_path) == {"n01": ANN, "n02": bob}
    assert drain(fleet, tmp_path, ["n01"], bob, anew=True) == {"n01": ANN}
    assert drains_of(fleet, tmp_path)["n01"] == bob


def test_a_fleet_of_another_file_is_another_fleet(fleet: Inventory, tmp_path: Path) -> None:
    drain(fleet, tmp_path, ["n01"], ANN)
    assert with_drained(replace(fleet, path=str(tmp_path / "other.toml")), tmp_path).drained == ()
    (tmp_path / "npudeck.toml").touch()
    os.symlink(tmp_path / "npudeck.toml", tmp_path / "link.toml")
    assert with_drained(replace(fleet, path=str(tmp_path / "link.toml")), tmp_path).drained == ("n01",)


def test_the_last_one_back_leaves_nothing(fleet: Inventory, tmp_path: Path) -> None:
    drain(fleet, tmp_path, ["n01"], ANN)
    undrain(fleet, tmp_path, ["n01"])
    assert json.loads((tmp_path / "drained.json").read_text())["fleets"] == {}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 2, "fleets": {}}', '{"version": 1, "fleets": {"x": 1}}']
)
def test_a_broken_file_is_said_and_never_taken_for_nobody(
    fleet: Inventory, tmp_path: Path, text: str
) -> None:
    (tmp_path / "drained.json").write_text(text)
    with pytest.raises(LocalError, match="which says what nodes are drained"):
        with_drained(fleet, tmp_path)
    with pytest.raises(LocalError):
        drain(fleet, tmp_path, ["n01"], ANN)
    assert (tmp_path / "drained.json").read_text() == text


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from backend.fleet.drain_files import *;"
        "from backend.inventory import *;"
        f"fleet = Inventory('lab', (), '/s', path={str(tmp_path / 'npudeck.toml')!r});"
        f"drain(fleet, Path({str(tmp_path)!r}), [sys.argv[1]], Drain('x', 1.0))"
    )
    workers = [subprocess.Popen([sys.executable, "-c", script, f"n{number}"]) for number in range(8)]
    assert [worker.wait(60) for worker in workers] == [0] * 8
    fleet = Inventory("lab", (), "/s", path=str(tmp_path / "npudeck.toml"))
    assert set(drains_of(fleet, tmp_path)) == {f"n{number}" for number in range(8)}
