"""A conversion that is killed, or cannot write on, leaves nothing that looks whole, and the next one goes
through."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from random_llama import bytes_of, quiet, to_model_job, to_tree_job, write_llama

from backend.node.job_lines import BusyError
from backend.node.weights import output_folder, to_hf, to_megatron

ROOT = Path(__file__).resolve().parents[4]
# The job runs after a line, so that a moment is one of the conversion and not of Python's start.
PROGRAM = """
import json, sys
from backend.node.weights import {action}
import numpy, backend.node.weights.pt_writer, backend.node.weights.safetensors_writer
{before}
print("ready", flush=True)
try:
    {action}.run(json.loads(sys.argv[1]), lambda progress: None)
except Exception as error:
    print(type(error).__name__, error, flush=True)
"""
NO_LARGE_FILES = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
"""


def start(action: str, job: dict[str, Any], before: str = "") -> subprocess.Popen[str]:
    program = PROGRAM.format(action=action, before=before)
    process = subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(job)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill_after(process: subprocess.Popen[str], seconds: float) -> None:
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of 5 MB with the same shapes and other values."""
    folder = tmp_path_factory.mktemp("models")
    sizes = {"hidden_size": 256, "intermediate_size": 640, "vocab_size": 1000}
    return write_llama(folder / "one", **sizes), write_llama(folder / "other", seed=7, **sizes)


def seconds_of(run: Any, job: dict[str, Any]) -> float:
    started = time.monotonic()
    run(job, quiet)
    return time.monotonic() - started


def check_kills(models: tuple[Path, Path], tmp_path: Path, moments: int) -> None:
    first, second = models
    output = tmp_path / "tree"
    job = to_tree_job(first, output)
    duration = seconds_of(to_megatron.run, to_tree_job(second, tmp_path / "measured"))
    whole = {"first": bytes_of_model(first, tmp_path / "a"), "second": bytes_of_model(second, tmp_path / "b")}
    chance = random.Random(5)
    for number in range(moments):
        # Every other one over a tree of the other model, which stays until the new one is whole.
        job = to_tree_job(models[number % 2], output, overwrite=True)
        kill_after(start("to_megatron", job), chance.random() * duration * 1.2)
        if output.exists():
            assert ranks_of(output) in whole.values()
        to_megatron.run(job, quiet)
        assert ranks_of(output) == whole["second" if number % 2 else "first"]
        beside = [name for name in os.listdir(tmp_path) if name.startswith("tree")]
        assert beside == ["tree"]


def bytes_of_model(model: Path, folder: Path) -> dict[str, bytes]:
    to_megatron.run(to_tree_job(model, folder), quiet)
    return ranks_of(folder)


def ranks_of(tree: Path) -> dict[str, bytes]:
    """The tensors of all ranks: the arguments name the folders."""
    from backend.node.weights.megatron_tree import MegatronTree

    found = MegatronTree(str(tree))
    return {
        f"{rank} {name}": found.rank(*rank).get(name).data.tobytes()
        for rank in found.folder.ranks
        for name in found.names(*rank)
    }


def test_killed_at_a_few_moments(models: tuple[Path, Path], tmp_path: Path) -> None:
    check_kills(models, tmp_path, 4)


@pytest.mark.long
def test_killed_at_twenty_moments(models: tuple[Path, Path], tmp_path: Path) -> None:
    check_kills(models, tmp_path, 20)


def test_killed_on_the_way_back(models: tuple[Path, Path], tmp_path: Path) -> None:
    tree, output = tmp_path / "tree", tmp_path / "back"
    to_megatron.run(to_tree_job(models[0], tree), quiet)
    job = to_model_job(tree, models[0], output)
    duration = seconds_of(to_hf.run, to_model_job(tree, models[0], tmp_path / "measured"))
    expected = bytes_of(tmp_path / "measured")
    chance = random.Random(6)
    for _number in range(3):
        kill_after(start("to_hf", job), chance.random() * duration)
        if output.exists():
            assert bytes_of(output) == expected
        to_hf.run(job, quiet)
        assert bytes_of(output) == expected
        assert [name for name in os.listdir(tmp_path) if name.startswith("back")] == ["back"]


@pytest.mark.parametrize("action", ["to_megatron", "to_hf"])
def test_a_file_that_cannot_grow(models: tuple[Path, Path], tmp_path: Path, action: str) -> None:
    """As on a full disk: the write in the middle of a tensor fails."""
    tree, output = tmp_path / "tree", tmp_path / "out"
    to_megatron.run(to_tree_job(models[0], tree), quiet)
    job = to_tree_job(models[0], output) if action == "to_megatron" else to_model_job(tree, models[0], output)
    said, _errors = start(action, job, NO_LARGE_FILES).communicate()
    assert said.startswith("StorageError cannot write ")
    assert os.listdir(tmp_path) == ["tree"]


def test_two_at_a_time_are_refused(models: tuple[Path, Path], tmp_path: Path) -> None:
    job = to_tree_job(models[0], tmp_path / "tree")
    with (
        output_folder.new_folder(str(tmp_path / "tree"), overwrite=False),
        pytest.raises(BusyError, match=r"another process is writing .*/tree$") as caught,
    ):
        to_megatron.run(job, quiet)
    assert caught.value.field == "output_directory"
    assert caught.value.fix
