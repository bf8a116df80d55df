from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hf_models import ARCHITECTURE, config, job_for, tensors, write_model

from backend.node.job_lines import JobError
from backend.node.weights import convert, output_folder, shards

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

pytestmark = pytest.mark.torch


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "hf", tensors())


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put_together(output: Path, name: str, pp_rank: int, dim: int) -> Any:
    return torch.cat([shards.load_rank(str(output), rank, pp_rank, 2, 2)[name] for rank in range(2)], dim)


def test_the_ranks_make_the_model_again(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "tree"
    convert.run(job_for(model, output))
    hf = tensors()
    embedding = put_together(output, "embedding.word_embeddings.weight", 0, 0)
    assert torch.equal(embedding[:11], hf["model.embed_tokens.weight"])
    assert torch.equal(embedding[11], hf["model.embed_tokens.weight"][10])
    # The second stage starts with global layer 1.
    down = put_together(output, "decoder.layers.0.mlp.linear_fc2.weight", 1, 1)
    assert torch.equal(down, hf["model.layers.1.mlp.down_proj.weight"])
    fused = put_together(output, "decoder.layers.1.self_attention.linear_qkv.weight", 1, 0).reshape(
        2, 4, 4, 16
    )
    prefix = "model.layers.2.self_attn."
    assert torch.equal(fused[:, :2].reshape(16, 16), hf[prefix + "q_proj.weight"])
    assert torch.equal(fused[:, 2].reshape(8, 16), hf[prefix + "k_proj.weight"])
    assert torch.equal(fused[:, 3].reshape(8, 16), hf[prefix + "v_proj.weight"])
    halves = [
        shards.load_rank(str(output), rank, 0, 2, 2)["decoder.layers.0.mlp.linear_fc1.weight"].chunk(2)
        for rank in range(2)
    ]
    assert torch.equal(torch.cat([half[0] for half in halves]), hf["model.layers.0.mlp.gate_proj.weight"])
    assert torch.equal(torch.cat([half[1] for half in halves]), hf["model.layers.0.mlp.up_proj.weight"])
    assert embedding.dtype == torch.bfloat16
    assert [name for name in os.listdir(tmp_path) if "tmp" in name] == []


def test_an_unchanged_job_is_not_done_twice(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "tree"
    convert.run(job_for(model, output))
    inode = output.stat().st_ino
    assert '"unit": "bytes"' in capsys.readouterr().out
    convert.run(job_for(model, output))
    assert capsys.readouterr().out.startswith("up to date")
    assert output.stat().st_ino == inode


def test_changed_weights_replace_the_tree(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "tree"
    convert.run(job_for(model, output))
    write_model(model, {name: tensor * 2 for name, tensor in tensors().items()})
    convert.run(job_for(model, output))
    norm = shards.load_rank(str(output), 0, 1, 2, 2)["decoder.final_layernorm.weight"]
    assert torch.equal(norm, tensors()["model.norm.weight"] * 2)
    assert sorted(os.listdir(tmp_path)) == ["hf", "tree"]


def test_another_layout_is_refused(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "tree"
    convert.run(job_for(model, output))
    before = snapshot(output)
    with pytest.raises(JobError, match="TP 2 x PP 2") as caught:
        convert.run(job_for(model, output, tensor_parallel=1))
    assert caught.value.field == "output_directory"
    assert snapshot(output) == before


def test_checkpoints_of_a_training_are_never_replaced(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "tree"
    convert.run(job_for(model, output))
    shards.save_rank(str(output), 20, 0, 0, 2, 2, {}, {}, {})
    write_model(model, {name: tensor * 2 for name, tensor in tensors().items()})
    with pytest.raises(JobError, match="checkpoints of a training"):
        convert.run(job_for(model, output))


def test_the_directory_of_somebody_else_is_refused(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "tree"
    output.mkdir()
    (output / "notes").write_text("mine")
    with pytest.raises(JobError, match="holds no weights, and is not replaced"):
        convert.run(job_for(model, output))
    assert snapshot(output) == {"notes": b"mine"}


def test_a_training_carries_the_arguments_on(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "tree"
    convert.run(job_for(model, output))
    args = dict(vars(shards.read_rank(str(output), 0, 0, 2, 2)["args"]))
    shards.save_rank(str(tmp_path / "saved"), 20, 0, 0, 2, 2, {}, {}, args)
    shards.publish(str(tmp_path / "saved"), 20)
    assert vars(shards.read_rank(str(tmp_path / "saved"), 0, 0, 2, 2)["args"]) == args
    assert args["params_dtype"] is torch.bfloat16


def test_an_empty_directory_is_used(model: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    convert.run(job_for(model, tmp_path / "tree"))
    assert shards.latest_iteration(str(tmp_path / "tree")) == 1


def test_the_manifest_says_what_the_tree_does_not(model: Path, tmp_path: Path) -> None:
    convert.run(job_for(model, tmp_path / "tree"))
    manifest = json.loads((tmp_path / "tree" / convert.MANIFEST).read_text())
    assert manifest["made_from"]["settings"]["architecture"]["rope_theta"] == 10000.0
    assert len(manifest["outputs"]) == 4


def test_a_narrower_dtype_is_said(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert.run(job_for(model, tmp_path / "tree", dtype="fp16"))
    assert "values may lose digits" in capsys.readouterr().out
    assert shards.load_rank(str(tmp_path / "tree"), 0, 0, 2, 2)[
        "decoder.layers.0.input_layernorm.weight"
    ].dtype == (torch.float16)


def test_values_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    found = tensors()
    found["model.norm.weight"][3] = 1e6
    model = write_model(tmp_path / "hf", found)
    with pytest.raises(JobError, match=r"model\.norm\.weight has values that are too large"):
        convert.run(job_for(model, tmp_path / "tree", dtype="fp16"))
    assert os.listdir(tmp_path) == ["hf"]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in tensors().items() if key != name}


@pytest.mark.parametrize(
    ("found", "changes", "message"),
    [
        (lambda: without("model.norm.weight"), {}, "the tensor .* is missing"),
        (lambda: {**tensors(), "model.layers.3.mlp.up_proj.weight": torch.zeros(2)}, {}, "has no place"),
        (lambda: {**tensors(), "lm_head.weight": torch.zeros(10, 16)}, {}, r"has the shape \[10, 16\]"),
        (tensors, {"num_hidden_layers": 4}, "layers is 4"),
        (tensors, {"rope_theta": 5e6}, "rope_theta is 5000000.0"),
        (tensors, {"rope_scaling": {"type": "linear", "factor": 2}}, "scales its rotary"),
        (tensors, {"tie_word_embeddings": True}, "tie_embeddings is True"),
        (tensors, {"torch_dtype": "int8"}, "torch_dtype is 'int8'"),
    ],
)
def test_a_model_that_is_not_the_one_is_refused(
    tmp_path: Path, found: Any, changes: dict[str, Any], message: str
) -> None:
    model = write_model(tmp_path / "hf", found(), **changes)
    with pytest.raises(JobError, match=message) as caught:
        convert.run(job_for(model, tmp_path / "tree"))
    assert caught.value.field == "hf_directory"
    assert os.listdir(tmp_path) == ["hf"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tensor_parallel": 4}, "tensor_parallel"),
        ({"layers_per_stage": [3]}, "layers_per_stage"),
        ({"layers_per_stage": [1, 1]}, "layers_per_stage"),
        ({"layers_per_stage": [0, 3]}, "layers_per_stage"),
        ({"format": "torch"}, "format"),
        ({"dtype": "int8"}, "dtype"),
        ({"architecture": {**ARCHITECTURE, "family": "gpt5"}}, "architecture"),
        ({"architecture": {}}, "family"),
        ({"hf_directory": "/nowhere"}, "hf_directory"),
    ],
)
def test_bad_settings_are_named(model: Path, tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(JobError) as caught:
        convert.run(job_for(model, tmp_path / "tree", **changes))
    assert caught.value.field == field
    assert os.listdir(tmp_path) == ["hf"]


def test_shards_and_torch_files_give_the_same_tree(model: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    convert.run(job_for(model, tmp_path / "single"))
    found = tensors()
    names = list(found)
    for suffix in ("safetensors", "bin"):
        folder = tmp_path / suffix
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config()))
        base = "model" if suffix == "safetensors" else "pytorch_model"
        weight_map = {name: f"{base}-{1 + number % 2}.{suffix}" for number, name in enumerate(names)}
        for file in set(weight_map.values()):
            part = {name: found[name] for name in names if weight_map[name] == file}
            save_file(part, folder / file) if suffix == "safetensors" else torch.save(part, folder / file)
        (folder / f"{base}.{suffix}.index.json").write_text(json.dumps({"weight_map": weight_map}))
        convert.run(job_for(folder, tmp_path / f"from-{suffix}"))
        for rank in range(4):
            place = (rank % 2, rank // 2, 2, 2)
            one = shards.load_rank(str(tmp_path / "single"), *place)
            other = shards.load_rank(str(tmp_path / f"from-{suffix}"), *place)
            assert one.keys() == other.keys()
            assert all(torch.equal(one[name], other[name]) for name in one)
    (folder / f"{base}-2.{suffix}").unlink()
    with pytest.raises(JobError, match="no such file"):
        convert.run(job_for(folder, tmp_path / "again"))


def test_a_cut_off_file_is_named(model: Path, tmp_path: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(JobError, match="cannot read"):
        convert.run(job_for(model, tmp_path / "tree"))


def test_no_room_is_said_before_writing(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(output_folder.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(JobError, match="has 1 kB free, the weights need"):
        convert.run(job_for(model, tmp_path / "tree"))
    assert os.listdir(tmp_path) == ["hf"]
