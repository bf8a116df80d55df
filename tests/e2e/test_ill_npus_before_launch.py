"""No run is started on an NPU that would lose it, unless the inventory says so."""

from __future__ import annotations

import json

import pytest
from living_fleet import Fleet

from backend.demo.demo_control import ask

pytestmark = pytest.mark.torch


def test_a_critical_npu_keeps_a_launch_from_starting_unless_the_inventory_allows_it(fleet: Fleet) -> None:
    recipe = fleet.recipe("ill", 3)
    assert ask(fleet.layout, "faults demo-2 1=critical") == "ok"
    assert state_of_health(fleet, recipe) == {"demo-1": "ok", "demo-2": "wrong"}
    refused = fleet.npudeck("launch", recipe)
    assert refused.returncode == 4
    said = refused.stdout + refused.stderr
    assert "NPU 1 chip 0 of demo-2: npu-smi reports Critical" in said
    assert "worst_health" in said
    assert fleet.jobs() == []
    inventory = fleet.directory / "npudeck.toml"
    text = inventory.read_text()
    inventory.write_text(text.replace("[fleet]\n", '[fleet]\nworst_health = "critical"\n', 1))
    try:
        assert state_of_health(fleet, recipe) == {"demo-1": "ok", "demo-2": "warning"}
        assert fleet.npudeck("launch", recipe).returncode == 0
    finally:
        inventory.write_text(text)
        assert ask(fleet.layout, "faults demo-2 ") == "ok"


def state_of_health(fleet: Fleet, recipe: str) -> dict[str, str]:
    done = fleet.npudeck("check", recipe, "--json")
    findings = json.loads(done.stdout)["findings"]
    assert done.returncode == int(any(one["state"] in ("wrong", "unknown") for one in findings)), done.stderr
    return {one["node"]: one["state"] for one in findings if one["item"] == "npu_health"}
