"""Everything that can be wrong with what is converted: one clear message, and nothing is left behind."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from random_llama import (
    bytes_of,
    llama_config,
    quiet,
    to_model_job,
    to_tree_job,
    write_llama,
)

from backend.node.job_lines import JobError
from backend.node.weights import output_folder, reshard, to_hf, to_megatron


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "hf", max_shard_bytes=6000)


@pytest.fixture
def tree(model: Path, tmp_path: Path) -> Path:
    to_megatron.run(to_tree_job(model, tmp_path / "tree"), quiet)
    return tmp_path / "tree"


def refused(tmp_path: Path, run: Any, job: dict[str, Any], match: str) -> JobError:
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(JobError, match=match) as caught:
        run(job, quiet)
    assert sorted(os.listdir(tmp_path)) == before
    return caught.value


def to_tree(tmp_path: Path, match: str, **changes: Any) -> JobError:
    return refused(
        tmp_path, to_megatron.run, to_tree_job(tmp_path / "hf", tmp_path / "out", **changes), match
    )


def to_model(tmp_path: Path, match: str, **changes: Any) -> JobError:
    job = to_model_job(tmp_path / "tree", tmp_path / "hf", tmp_path / "out", **changes)
    return refused(tmp_path, to_hf.run, job, match)


def change_config(model: Path, **changes: Any) -> None:
    (model / "config.json").write_text(json.dumps(llama_config(**changes)))


def shards(model: Path) -> list[Path]:
    return sorted(model.glob("*.safetensors"))


def rank_file(tree: Path, name: str = "mp_rank_01_001") -> Path:
    return tree / "iter_0000001" / name / "model_optim_rng.pt"


def test_a_missing_shard(model: Path, tmp_path: Path) -> None:
    shards(model)[1].unlink()
    assert to_tree(tmp_path, "no such file").field == "hf_directory"


def test_a_missing_tensor_is_never_made_up(model: Path, tmp_path: Path) -> None:
    index = model / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    dropped = set(content["weight_map"].values()).pop()
    content["weight_map"] = {k: v for k, v in content["weight_map"].items() if v != dropped}
    index.write_text(json.dumps(content))
    to_tree(tmp_path, "tensors are missing, the first is ")


def test_a_truncated_safetensors(model: Path, tmp_path: Path) -> None:
    os.truncate(shards(model)[0], 3000)
    to_tree(tmp_path, "cannot read .*safetensors")


def test_tp_that_does_not_divide(model: Path, tmp_path: Path) -> None:
    assert (
        to_tree(tmp_path, "does not divide the key-value heads", tensor_parallel=4).field == "tensor_parallel"
    )
    assert (
        to_tree(tmp_path, "does not divide the attention heads", tensor_parallel=3).field == "tensor_parallel"
    )


def test_pp_that_does_not_fit(model: Path, tmp_path: Path) -> None:
    assert to_tree(tmp_path, "PP 5 is more than the 4", pipeline_parallel=5).field == "pipeline_parallel"
    assert to_tree(tmp_path, "PP 3 does not divide", pipeline_parallel=3).field == "pipeline_parallel"
    assert to_tree(tmp_path, "do not make", layers_per_stage=[1, 2]).field == "layers_per_stage"


@pytest.mark.parametrize("layers", [3, 5])
def test_a_wrong_number_of_layers(model: Path, tmp_path: Path, layers: int) -> None:
    change_config(model, num_hidden_layers=layers)
    to_tree(tmp_path, "have no place|are missing", pipeline_parallel=1)


def test_an_unknown_architecture(model: Path, tmp_path: Path) -> None:
    change_config(model, architectures=["MixtralForCausalLM"])
    to_tree(tmp_path, "MixtralForCausalLM")


def test_a_disk_that_is_too_small(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(output_folder.shutil, "disk_usage", lambda path: usage)
    to_tree(tmp_path, "1 kB free, the weights need [0-9]+ kB and 67 MB to spare")


def test_nan_is_reported_and_written(model: Path, tmp_path: Path) -> None:
    path = shards(model)[-1]
    data = bytearray(path.read_bytes())
    data[-2:] = (0x7FC1).to_bytes(2, "little")
    path.write_bytes(bytes(data))
    told: list[str] = []
    job = to_tree_job(model, tmp_path / "tree")
    outcome = to_megatron.run(job, lambda progress: told.append(progress.note))
    assert "1 value is NaN or infinite, in lm_head.weight" in told
    assert outcome.manifest["counts"]["not_finite_values"] == 1
    back = to_hf.run(to_model_job(tmp_path / "tree", model, tmp_path / "back"), quiet)
    assert back.manifest["counts"]["not_finite_values"] == 1


def test_a_missing_rank_file(tree: Path, tmp_path: Path) -> None:
    rank_file(tree).unlink()
    error = to_model(tmp_path, "1 of 4 rank files are missing, the first is .*mp_rank_01_001")
    assert error.field == "megatron_directory"


def test_a_missing_rank_folder(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(rank_file(tree).parent)
    to_model(tmp_path, "1 of 4 rank files are missing")


def test_a_truncated_rank_file(tree: Path, tmp_path: Path) -> None:
    os.truncate(rank_file(tree), 5000)
    error = to_model(tmp_path, "cannot read .*mp_rank_01_001")
    assert error.field == "megatron_directory"


@pytest.mark.parametrize("name", ["mp_rank_02_000", "mp_rank_00_002", "mp_rank_00"])
def test_stale_ranks_of_another_layout(tree: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(rank_file(tree).parent, tree / "iter_0000001" / name)
    to_model(tmp_path, "ranks of more than one layout")


@pytest.mark.parametrize(
    ("text", "match"),
    [("7", "no such folder"), ("first", "does not name a checkpoint"), (None, "no checkpoint in")],
)
def test_a_tracker_that_leads_nowhere(tree: Path, tmp_path: Path, text: str | None, match: str) -> None:
    tracker = tree / "latest_checkpointed_iteration.txt"
    tracker.unlink() if text is None else tracker.write_text(text)
    to_model(tmp_path, match)


def test_an_original_of_another_model(tree: Path, tmp_path: Path) -> None:
    change_config(tmp_path / "hf", intermediate_size=32)
    to_model(tmp_path, "has the shape")
    change_config(tmp_path / "hf", vocab_size=13)
    to_model(tmp_path, "has 12 rows and the vocabulary 13 words")
    change_config(tmp_path / "hf", num_hidden_layers=3)
    to_model(tmp_path, "has 4 layers and the model 3")
    change_config(tmp_path / "hf", architectures=["Qwen2ForCausalLM"])
    to_model(tmp_path, "tensors are missing, the first is .*linear_qkv.bias|query_key_value.bias")


class _Malicious:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


def test_a_malicious_pickle_is_refused_with_its_name(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rank_file(tree)
    replaced = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(replaced, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("/data.pkl"):
                data = pickle.dumps({"args": _Malicious(), "model": {}}, protocol=2)
            target.writestr(entry.filename, data)
    path.write_bytes(replaced.getvalue())
    monkeypatch.chdir(tmp_path)
    error = to_model(tmp_path, "cannot read")
    assert "mkdir" in error.why
    assert error.fix.startswith("take the weights from a source that you trust")
    refused(
        tmp_path,
        reshard.run,
        {"megatron_directory": str(tree), "output_directory": str(tmp_path / "out")},
        "cannot read",
    )


def test_the_source_is_never_the_target(tree: Path, tmp_path: Path) -> None:
    for output in (tree, tmp_path / "hf"):
        to_model(tmp_path, "is what the weights are made from", output_directory=str(output), overwrite=True)
    to_model(tmp_path, "is what the weights are made from", output_directory=str(tmp_path), overwrite=True)


def test_a_target_that_exists_is_refused_unless_asked(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shutil.copytree(tmp_path / "hf", output)
    before = bytes_of(output)
    to_model(tmp_path, "is not empty")
    assert bytes_of(output) == before
    to_hf.run(to_model_job(tree, tmp_path / "hf", output, overwrite=True), quiet)
    assert (output / "npudeck.manifest.json").is_file()
    other = write_llama(tmp_path / "other", seed=5)
    to_tree(tmp_path, "holds weights of another conversion", hf_directory=str(other))
    assert sorted(os.listdir(tmp_path)) == ["hf", "other", "out", "tree"]


def test_what_is_no_model_is_never_replaced(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    to_tree(tmp_path, "holds no weights, and is not replaced", overwrite=True)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"
