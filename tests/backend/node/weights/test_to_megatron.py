from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hf_configs import config_of
from random_llama import bytes_of, llama_config, random_bf16, to_tree_job, write_llama

from backend.catalog import catalog_files
from backend.node.job_lines import JobError
from backend.node.weights import output_folder, to_megatron
from backend.node.weights.arrays import Array, Planned
from backend.node.weights.hf_plan import plan_hf
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model_config import read_model
from backend.node.weights.progress import Outcome
from backend.node.weights.safetensors_writer import write_safetensors


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "hf")


def convert(model: Path, output: Path, **changes: Any) -> tuple[Outcome, list[str]]:
    notes: list[str] = []
    outcome = to_megatron.run(
        to_tree_job(model, output, **changes), lambda told: notes.append(told.note) if told.note else None
    )
    return outcome, notes


def test_the_manifest_says_what_a_tree_does_not(model: Path, tmp_path: Path) -> None:
    outcome, notes = convert(model, tmp_path / "tree")
    found = outcome.manifest
    assert found == json.loads((tmp_path / "tree" / "npudeck.manifest.json").read_text())
    assert (found["kind"], found["family"], found["dtype"]) == ("legacy", "llama2", "bf16")
    assert found["rope_theta"] == 10000.0
    assert found["padded_vocab_size"] == 12
    assert found["layout"]["layers_per_stage"] == [2, 2]
    assert found["counts"]["rank_files"] == len(found["outputs"]) == 4
    assert notes == []


def test_what_is_there_already_is_not_made_twice(model: Path, tmp_path: Path) -> None:
    first, _notes = convert(model, tmp_path / "tree")
    second, notes = convert(model, tmp_path / "tree", memory_bytes=1)
    assert not first.up_to_date
    assert second == Outcome(True, first.manifest)
    assert notes[0].startswith("up to date")


def test_a_damaged_result_is_made_anew(model: Path, tmp_path: Path) -> None:
    convert(model, tmp_path / "tree")
    before = bytes_of(tmp_path / "tree")
    path = next((tmp_path / "tree").rglob("*.pt"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(JobError, match="holds weights for TP 2 x PP 2"):
        convert(model, tmp_path / "tree")
    convert(model, tmp_path / "tree", overwrite=True)
    assert bytes_of(tmp_path / "tree") == before


def test_a_dry_run_writes_nothing_and_needs_no_weights(model: Path, tmp_path: Path) -> None:
    with_weights, _notes = convert(model, tmp_path / "tree", dry_run=True)
    (model / "model.safetensors").unlink()
    without, _notes = convert(model, tmp_path / "tree", dry_run=True)
    assert not (tmp_path / "tree").exists()
    assert with_weights == without
    manifest = without.manifest
    assert [one["path"] for one in manifest["files"]] == [
        "mp_rank_00_000", "mp_rank_01_000", "mp_rank_00_001", "mp_rank_01_001",
    ]  # fmt: skip
    assert manifest["counts"]["bytes"] == sum(one["bytes"] for one in manifest["files"])
    with pytest.raises(JobError, match="no weights in"):
        convert(model, tmp_path / "tree")


@pytest.mark.parametrize("memory", [1, 1 << 40])
def test_memory_changes_nothing_in_the_files(model: Path, tmp_path: Path, memory: int) -> None:
    convert(model, tmp_path / "tree")
    before = bytes_of(tmp_path / "tree")
    shutil.rmtree(tmp_path / "tree")
    convert(model, tmp_path / "tree", memory_bytes=memory)
    assert bytes_of(tmp_path / "tree") == before


def test_nothing_of_torch_is_loaded(model: Path, tmp_path: Path) -> None:
    """Its import takes longer than most conversions, and more memory."""
    program = (
        "import sys\n"
        "from backend.node.weights import reshard, to_hf, to_megatron\n"
        "hf, tree, moved, back = sys.argv[1:]\n"
        "to_megatron.run({'hf_directory': hf, 'output_directory': tree,"
        " 'tensor_parallel': 2, 'pipeline_parallel': 2})\n"
        "reshard.run({'megatron_directory': tree, 'output_directory': moved, 'tensor_parallel': 1})\n"
        "to_hf.run({'megatron_directory': moved, 'output_directory': back, 'like_directory': hf})\n"
        "assert not {'torch', 'safetensors', 'transformers'} & set(sys.modules)\n"
    )
    folders = [str(tmp_path / name) for name in ("hf", "tree", "moved", "back")]
    root = Path(__file__).resolve().parents[4]
    subprocess.run([sys.executable, "-c", program, *folders], cwd=root, check=True, capture_output=True)
    assert (tmp_path / "back" / "model.safetensors").read_bytes()


def with_values(folder: Path, dtype: str, values: dict[str, Array], **changes: Any) -> Path:
    """The model with all its tensors in `dtype`, but those in `values`."""
    folder.mkdir()
    config = llama_config(**changes)
    (folder / "config.json").write_text(json.dumps(config))
    plan = plan_hf(read_model(config), dtype)
    tensors = [
        Planned(one.key, one.shape, values[one.key].dtype if one.key in values else dtype)
        for one in plan.tensors
    ]

    def produce(key: str) -> Array:
        shape = next(one.shape for one in tensors if one.key == key)
        return values.get(key) or Array(np.full(shape, 0.5, {"fp32": "<f4", "fp16": "<f2"}[dtype]), dtype)

    write_safetensors(str(folder / "model.safetensors"), tensors, produce, {})
    return folder


def test_a_lossy_cast_is_counted_and_said(tmp_path: Path) -> None:
    lossy = np.full((11, 16), 0.5, "<f4")
    # Rows of both ranks; the last one is repeated in the padding, which does not count.
    lossy[0, 0] = lossy[10, :3] = 1 + 2**-20
    model = with_values(
        tmp_path / "hf", "fp32", {"lm_head.weight": Array(lossy, "fp32")}, torch_dtype="float32"
    )
    outcome, notes = convert(model, tmp_path / "tree", dtype="bf16")
    assert outcome.manifest["counts"]["lost_values"] == 4
    assert notes[0] == "the model is float32 and is written as bfloat16: values may lose digits"
    assert notes[1].startswith("4 values lose digits in the cast, in 2 tensors")


def test_weights_wider_than_their_config_are_said(tmp_path: Path) -> None:
    norm = Array(np.full(16, 1 + 2**-20, "<f4"), "fp32")
    model = with_values(tmp_path / "hf", "fp32", {"model.norm.weight": norm}, torch_dtype="bfloat16")
    _outcome, notes = convert(model, tmp_path / "tree")
    assert notes == [
        "tensors are stored as float32 and are written as bfloat16, as config.json says: "
        "values may lose digits",
        "16 values lose digits in the cast, in 1 tensor",
    ]


def test_what_would_become_infinite_is_refused(tmp_path: Path) -> None:
    norm = Array(np.full(16, 1e6, "<f4"), "fp32")
    model = with_values(tmp_path / "hf", "fp32", {"model.norm.weight": norm}, torch_dtype="float32")
    with pytest.raises(JobError, match=r"model\.norm\.weight has values that are too large for float16"):
        convert(model, tmp_path / "tree", dtype="fp16", memory_bytes=1 << 40)
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]


def test_halves_of_one_tensor_may_differ_in_dtype(tmp_path: Path) -> None:
    gate = random_bf16((24, 16), 3)
    name = "model.layers.0.mlp.gate_proj.weight"
    model = with_values(tmp_path / "hf", "fp16", {name: gate}, torch_dtype="bfloat16")
    convert(model, tmp_path / "tree", tensor_parallel=1, pipeline_parallel=1, format="mcore")
    found = (
        MegatronTree(str(tmp_path / "tree")).rank(0, 0).get("model/decoder.layers.0.mlp.linear_fc1.weight")
    )
    assert found.dtype == "bf16"
    assert np.array_equal(found.data[:24], gate.data)


def test_qwen2_and_glm4_were_trained_in_mcore(tmp_path: Path) -> None:
    sizes = {"num_key_value_heads": 2, "num_attention_heads": 4, "tie_word_embeddings": True}
    names = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
    model = write_llama(tmp_path / "hf", **sizes, **names)
    outcome, _notes = convert(model, tmp_path / "tree", dry_run=True)
    assert outcome.manifest["kind"] == "mcore"
    outcome, _notes = convert(model, tmp_path / "tree", dry_run=True, format="legacy")
    assert outcome.manifest["kind"] == "legacy"


@pytest.mark.parametrize("entry", catalog_files.load_models(), ids=lambda entry: entry.name)
def test_every_model_of_the_catalog_is_planned_from_its_config(
    entry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1 << 50})
    monkeypatch.setattr(output_folder.shutil, "disk_usage", lambda path: usage)
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").write_text(json.dumps(config_of(entry.architecture)))
    layout = entry.layouts[0]
    layers = entry.architecture.layers
    stages = [layers // layout.pp + (stage < layers % layout.pp) for stage in range(layout.pp)]
    changes = {"tensor_parallel": layout.tp, "pipeline_parallel": layout.pp, "layers_per_stage": stages}
    outcome, _notes = convert(tmp_path / "hf", tmp_path / "tree", dry_run=True, **changes)
    manifest = outcome.manifest
    assert manifest["parameters"] == entry.parameters
    assert len(manifest["files"]) == layout.tp * layout.pp
    assert manifest["counts"]["bytes"] >= 2 * entry.parameters
