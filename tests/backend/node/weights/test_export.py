"""The stage "export": a training's newest checkpoint as a Hugging Face model, replaced only by its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from random_llama import quiet, to_model_job, to_tree_job, write_llama

from backend.node.job_lines import JobError
from backend.node.main import main
from backend.node.weights import export, to_megatron
from backend.node.weights.verify_weights import verify_weights


def same(made: Path, model: Path) -> bool:
    return bool(verify_weights(str(made), str(model), quiet)["equal"])


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    model = write_llama(tmp_path / "hf")
    to_megatron.run(to_tree_job(model, tmp_path / "tree"), quiet)
    return to_model_job(tmp_path / "tree", model, tmp_path / "out" / "r7")


def test_it_makes_the_model_and_not_twice(job: dict[str, Any], tmp_path: Path) -> None:
    assert not export.run(job, quiet).up_to_date
    assert same(tmp_path / "out" / "r7", tmp_path / "hf")
    assert export.run(job, quiet).up_to_date


def test_a_later_checkpoint_of_the_training_takes_the_place_of_the_former(
    job: dict[str, Any], tmp_path: Path
) -> None:
    export.run(job, quiet)
    other = write_llama(tmp_path / "hf2", seed=7)
    to_megatron.run({**to_tree_job(other, tmp_path / "tree"), "overwrite": True}, quiet)
    assert not export.run(job, quiet).up_to_date
    assert same(tmp_path / "out" / "r7", other)


@pytest.mark.parametrize("name", ["notes.txt", "adapter.safetensors"])
def test_what_somebody_added_is_kept(job: dict[str, Any], tmp_path: Path, name: str) -> None:
    export.run(job, quiet)
    (tmp_path / "out" / "r7" / name).write_text("mine")
    other = write_llama(tmp_path / "hf2", seed=7)
    to_megatron.run({**to_tree_job(other, tmp_path / "tree"), "overwrite": True}, quiet)
    with pytest.raises(JobError, match=f"also holds {name}, and is not replaced"):
        export.run(job, quiet)
    assert (tmp_path / "out" / "r7" / name).read_text() == "mine"


def test_another_training_does_not_take_its_place(job: dict[str, Any], tmp_path: Path) -> None:
    export.run(job, quiet)
    to_megatron.run(to_tree_job(tmp_path / "hf", tmp_path / "tree2"), quiet)
    with pytest.raises(JobError, match="another conversion"):
        export.run({**job, "megatron_directory": str(tmp_path / "tree2")}, quiet)


def test_as_a_task_on_the_node(
    job: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(job))
    assert main(["export", str(path)]) == 0
    assert str(tmp_path / "out" / "r7") in capfd.readouterr().out
    path.write_text(json.dumps({**job, "megatron_directory": str(tmp_path / "nothing")}))
    assert main(["export", str(path)]) == 1
    assert json.loads(capfd.readouterr().err)["field"] == "megatron_directory"
