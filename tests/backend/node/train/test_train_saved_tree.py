"""What a run from random weights leaves behind: a log that is read, and a tree that the converters take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from native_cases import ROOT, hugging_face_model, start_launcher, tiny_job, write_data

from backend.telemetry.training_log import parse_log

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


class Trained(NamedTuple):
    job: dict[str, Any]
    log: str
    saved: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("saved_tree")
    job = tiny_job(
        folder,
        tp=2,
        pp=2,
        layers_per_stage=[3, 1],
        load_directory="",
        train_iterations=5,
        save_interval=2,
        log_interval=2,
        eval_interval=2,
        eval_iterations=3,
        split=[80, 20, 0],
        architecture={"rope_theta": 500000.0},
    )
    write_data(folder)
    (folder / "job.json").write_text(json.dumps(job))
    process = start_launcher(folder / "job.json")
    log = process.communicate(timeout=180)[0]
    assert process.returncode == 0, log
    return Trained(job, log, folder / "saved")


def quiet(_progress: object) -> None: ...


def test_every_line_of_the_log_is_read(trained: Trained) -> None:
    found = parse_log(trained.log)
    assert found["training_started"]
    assert [(one["iteration"], one["total"], one["consumed_samples"]) for one in found["iterations"]] == [
        (2, 5, 8),
        (4, 5, 16),
    ]
    first = found["iterations"][0]
    assert (first["gbs"], first["loss_scale"], first["skipped"], first["nan"]) == (4, 1.0, 0, 0)
    assert 3.0 < first["lm_loss"] < 5.0
    # After every second iteration, and at the end.
    assert [one["iteration"] for one in found["validation"]] == [2, 4, 5]
    for one in found["validation"]:
        assert one["ppl"] == pytest.approx(2.718281828 ** one["loss"], rel=1e-4)
    saved = [{"iteration": number, "path": str(trained.saved)} for number in (2, 4, 5)]
    assert found["checkpoints"] == saved


def test_the_command_line_reads_it(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(trained.log)
    done = subprocess.run(
        [sys.executable, "-m", "backend.cli", "parse", "log", str(tmp_path / "train.log"), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert len(found["validation"]) == len(found["checkpoints"]) == 3


def test_the_first_rank_says_what_megatron_says(trained: Trained) -> None:
    lines = trained.log.splitlines()
    dump = lines[lines.index("-" * 24 + " arguments " + "-" * 24) + 1 :]
    dump = dump[: dump.index("-" * 20 + " end of arguments " + "-" * 21)]
    assert dump == sorted(dump, key=str.lower)
    assert "  num_layers ...................................... 4" in dump
    assert "  tensor_model_parallel_size ...................... 2" in dump
    assert "  num_layer_list .................................. 3,1" in dump
    order = [
        "using torch.float32 for parameters ...",
        "setting number of micro-batches to constant 4",
        "> learning rate decay style: cosine",
        "> building train, validation, and test datasets ...",
        "done with setup ...",
        "training ...",
    ]
    assert [line for line in lines if line in order] == order
    assert lines[-1].startswith("[after training is done] datetime: ")


def test_the_tree_is_complete(trained: Trained) -> None:
    from backend.node.weights.inspect_weights import inspect_weights

    report = inspect_weights(str(trained.saved))
    assert report["complete"], report["problems"]
    assert (report["kind"], report["format"]) == ("megatron", "mcore")


def test_the_tree_becomes_another_layout_and_a_hugging_face_model(trained: Trained, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job
    from backend.node.train.tree_weights import TreeWeights
    from backend.node.weights import reshard, to_hf
    from backend.node.weights.verify_weights import verify_weights

    whole = {**tiny_job(tmp_path), "architecture": trained.job["architecture"]}
    reshard.run(
        {
            "megatron_directory": str(trained.saved),
            "output_directory": whole["load_directory"],
            "tensor_parallel": 1,
            "pipeline_parallel": 1,
        },
        quiet,
    )
    assert verify_weights(str(trained.saved), whole["load_directory"], quiet)["equal"]
    original = like(trained.job["architecture"])
    original.save_pretrained(tmp_path / "original")
    to_hf.run(
        {
            "megatron_directory": str(trained.saved),
            "like_directory": str(tmp_path / "original"),
            "output_directory": str(tmp_path / "exported"),
            "dtype": "fp32",
        },
        quiet,
    )
    exported = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "exported", dtype=torch.float32)
    groups = Groups(None, None, None, None)
    grid = Grid(0, 1, 1, 1)
    weights = TreeWeights(whole["load_directory"], grid)
    replica = Replica(read_train_job(whole), grid, groups, torch.device("cpu"), weights)
    tokens = torch.randint(0, 67, (2, 16), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.allclose(replica.stage(tokens), exported(tokens).logits, atol=1e-5)
        assert not torch.allclose(exported(tokens).logits, original(tokens).logits, atol=1e-2)


def like(a: dict[str, Any]) -> Any:
    torch.manual_seed(4)
    return hugging_face_model(a).float().eval()
