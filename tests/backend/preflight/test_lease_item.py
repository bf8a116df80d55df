"""Held NPUs keep a launch from starting: a check says so before."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backend.fleet.lease_script import TAKE, words_of
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Status, Verdict
from backend.preflight.lease_item import lease_item
from backend.preflight.setting import Setting
from backend.recipes.fields import Recipe

RECIPE = Recipe(model="m", data_path="/d", hf_weights="/w")


def found(work: Path, recipe: Recipe | None = RECIPE) -> Verdict:
    node = Node("n01", "h", "192.0.2.1", 8, str(work))
    item = lease_item(node, Setting((node,), "/s", None, 6000, recipe))
    done = subprocess.run(item.argv, capture_output=True, check=False)
    return item.judge(Completed(done.returncode, done.stdout, done.stderr))


def take(work: Path, ttl_s: int, *devices: str) -> None:
    words = words_of(f"{work}/.npudeck", "r9-cccccc", "", ttl_s, "bob@gate", 1.7e9, "", False, devices)
    subprocess.run(["sh", "-c", TAKE, "npudeck-lease", *words], capture_output=True, check=True)


def test_a_free_node_is_left_as_it_was(tmp_path: Path) -> None:
    assert found(tmp_path).status is Status.OK
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (("all",), "all NPUs held by run r9-cccccc of bob@gate"),
        (("2", "3"), "NPU 2 held by run r9-cccccc of bob@gate and 1 more"),
    ],
)
def test_what_another_holds_keeps_a_run_from_starting(
    tmp_path: Path, devices: tuple[str, ...], words: str
) -> None:
    take(tmp_path, 900, *devices)
    assert found(tmp_path).status is Status.WRONG
    assert found(tmp_path).found == words
    assert "npudeck fleet leases n01" in found(tmp_path).fix
    # the fleet as it is: that a run computes there is no mistake
    assert found(tmp_path, None).status is Status.WARNING


def test_what_cannot_be_read_is_nobodys_to_take(tmp_path: Path) -> None:
    take(tmp_path, 900, "all")
    (tmp_path / ".npudeck" / "leases" / "all").write_text("garbage")
    assert found(tmp_path).status is Status.WRONG
    assert found(tmp_path).found == "the lease of all NPUs cannot be read"


def test_what_is_over_is_free(tmp_path: Path) -> None:
    take(tmp_path, 900, "all")
    lease = tmp_path / ".npudeck" / "leases" / "all"
    lines = lease.read_text().splitlines()
    lines[4] = "another-boot"
    lease.write_text("\n".join(lines) + "\n")
    assert found(tmp_path).status is Status.OK
