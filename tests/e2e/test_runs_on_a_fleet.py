"""Runs as people live them: on a real fleet over SSH, with everything killed that can be killed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from living_fleet import Fleet

from backend.demo.demo_control import ask

pytestmark = pytest.mark.torch


def test_a_run_goes_through_every_stage_and_survives_its_supervisor(fleet: Fleet) -> None:
    run_id = fleet.launch(fleet.recipe("whole", 40, convert_to_hf=True))
    fleet.until(run_id, lambda run: run["iterations"] >= 5, 60)
    (supervisor,) = fleet.supervisors()
    os.kill(supervisor, signal.SIGKILL)
    assert fleet.npudeck("watch", run_id).returncode == 0
    run = fleet.show(run_id)
    assert run["state"] == "finished"
    assert [stage["state"] for stage in run["stages"]] == ["done"] * 6
    fleet.exactly_once(run, 40)
    assert run["last_loss"] < run["first_loss"]
    assert run["checkpoint"]["iteration"] == 40
    assert fleet.jobs() == []
    log = fleet.npudeck("logs", run_id).stdout
    assert log.count("iteration ") >= 40
    exported = Path(run["reason"].removeprefix("Hugging Face model in "))
    assert (exported / "tokenizer.json").is_file()
    checkpoint = Path(run["checkpoint"]["path"])
    assert fleet.npudeck("weights", "verify", str(checkpoint), str(exported)).returncode == 0


def test_an_export_that_fails_says_that_the_training_is_whole(fleet: Fleet) -> None:
    occupied = fleet.directory / "shared" / "kept"
    recipe = fleet.recipe("occupied", 5, convert_to_hf=True, checkpoint_directory=str(occupied))
    other = fleet.directory / "shared" / "kept_hf"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    done = fleet.npudeck("launch", recipe)
    assert done.returncode == 1
    assert "export failed: demo-1: exit code 1; " in done.stdout
    assert "the training is complete" in done.stdout
    assert [path.name for path in other.iterdir()] == ["notes.txt"]
    assert fleet.jobs() == []


def test_a_lost_link_is_unknown_and_loses_no_line(fleet: Fleet) -> None:
    run_id = fleet.launch(fleet.recipe("cut", 120))
    fleet.until(run_id, lambda run: run["iterations"] >= 3, 60)
    assert ask(fleet.layout, "cut demo-2") == "ok"
    lost = fleet.until(run_id, lambda run: run["state"] == "unknown", 20)
    assert [item["node"] for item in lost["unreachable_nodes"]] == ["demo-2"]
    health = fleet.npudeck("health", "--json")
    assert health.returncode == 4
    states = {node["name"]: node["state"] for node in json.loads(health.stdout)["nodes"]}
    assert states == {"demo-1": "ok", "demo-2": "unreachable"}
    assert fleet.show(run_id)["state"] == "unknown"
    assert ask(fleet.layout, "heal demo-2") == "ok"
    run = fleet.until(run_id, lambda run: run["state"] == "finished", 90)
    fleet.exactly_once(run, 120)


def test_a_killed_rank_fails_the_run_and_leaves_nothing(fleet: Fleet) -> None:
    run_id = fleet.launch(fleet.recipe("killed", 5000))
    fleet.until(run_id, lambda run: run["iterations"] >= 2, 60)
    os.kill(fleet.ranks()[3], signal.SIGKILL)
    killed_at = time.monotonic()
    run = fleet.until(run_id, lambda run: run["state"] == "failed", 30)
    assert time.monotonic() - killed_at < 30
    assert "demo-2 rank 3: killed by SIGKILL (exit code 137)" in run["reason"]
    assert fleet.jobs() == []
    assert list((fleet.directory / "nodes" / "demo-1" / "work" / ".npudeck" / "leases").iterdir()) == []


def test_stop_ends_a_run_everywhere_and_a_second_run_waits_for_free_nodes(fleet: Fleet) -> None:
    recipe = fleet.recipe("stopped", 5000)
    run_id = fleet.launch(recipe)
    second = fleet.npudeck("launch", recipe, "--detach")
    assert second.returncode == 6
    assert "nodes are free" in second.stderr
    fleet.until(run_id, lambda run: run["iterations"] >= 1, 60)
    stopped = fleet.npudeck("stop", run_id, "--json")
    assert stopped.returncode == 0
    assert json.loads(stopped.stdout)["state"] == "stopped"
    assert fleet.jobs() == []
    assert fleet.npudeck("stop", run_id, "--json").returncode == 0


def test_a_stage_that_fails_says_why_and_starts_nothing(fleet: Fleet) -> None:
    missing = fleet.npudeck("launch", fleet.recipe("missing", 10, data_path="/nowhere/data.jsonl"))
    assert missing.returncode == 4
    assert "/nowhere/data.jsonl cannot be read on demo-1" in missing.stdout
    assert "Traceback" not in missing.stdout + missing.stderr
    broken = fleet.directory / "shared" / "training_data" / "broken.parquet"
    broken.write_bytes(b"this is no parquet")
    failed = fleet.npudeck("launch", fleet.recipe("broken", 10, data_path=str(broken)))
    assert failed.returncode == 1
    assert "data failed: demo-1" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr
    assert fleet.jobs() == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["launch", "/nowhere.toml"], 3, "/nowhere.toml"),
        (["runs", "show", "r999"], 3, "there is no run r999"),
        (["stop", "r999"], 3, "there is no run r999"),
        (["launch"], 2, "RECIPE"),
    ],
)
def test_bad_words_end_in_one_message(fleet: Fleet, words: list[str], code: int, said: str) -> None:
    done = fleet.npudeck(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
