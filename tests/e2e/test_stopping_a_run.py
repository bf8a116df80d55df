"""Runs that are told to end, by whom and how ever: what was trained is saved, unless nobody wants to wait."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from living_fleet import Fleet

pytestmark = pytest.mark.torch


def test_a_stop_gives_time_to_save_and_says_where(fleet: Fleet) -> None:
    run_id = fleet.launch(fleet.recipe("saving", 5000))
    fleet.until(run_id, lambda run: run["iterations"] >= 3, 60)
    done = fleet.npudeck("stop", run_id)
    assert done.returncode == 0
    run = fleet.show(run_id)
    assert run["state"] == "stopped"
    saved = run["checkpoint"]["iteration"]
    assert saved == run["iterations"] >= 3
    assert run["reason"].endswith(f"; saved at iteration {saved}")
    assert f"saved at iteration {saved}" in done.stdout
    assert f"npudeck stop {run_id} --now" in done.stderr
    tracker = Path(run["checkpoint"]["path"]) / "latest_checkpointed_iteration.txt"
    assert int(tracker.read_text()) == saved
    assert fleet.jobs() == []


def test_a_training_that_a_node_ends_is_stopped_and_not_failed(fleet: Fleet) -> None:
    run_id = fleet.launch(fleet.recipe("told", 5000))
    fleet.until(run_id, lambda run: run["iterations"] >= 3, 60)
    os.kill(fleet.ranks()[1], signal.SIGTERM)
    run = fleet.until(run_id, lambda run: run["state"] == "stopped", 60)
    assert "not by npudeck" in run["reason"]
    assert f"saved at iteration {run['checkpoint']['iteration']}" in run["reason"]
    assert fleet.jobs() == []


def test_a_stop_at_once_waits_for_nobody(fleet: Fleet) -> None:
    run_id = fleet.launch(fleet.recipe("hurry", 5000))
    fleet.until(run_id, lambda run: run["iterations"] >= 1, 60)
    # deaf as a rank that hangs in a collective
    os.kill(fleet.ranks()[0], signal.SIGSTOP)
    assert fleet.npudeck("stop", run_id, "--no-wait").returncode == 0
    assert fleet.npudeck("stop", run_id, "--now", timeout=60).returncode == 0
    run = fleet.show(run_id)
    assert run["state"] == "stopped"
    assert "no checkpoint was saved" in run["reason"]
    assert fleet.jobs() == []
