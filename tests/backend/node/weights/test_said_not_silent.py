"""What a conversion must not pass over in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from random_adapter import write_adapter
from random_llama import llama_config, quiet, random_bf16, to_model_job, to_tree_job, write_llama

from backend.node.job_lines import JobError
from backend.node.weights import export_adapter, merge_lora, reshard, split_adapter, to_hf, to_megatron
from backend.node.weights.arrays import Array, Planned
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.inspect_weights import inspect_weights
from backend.node.weights.pt_file import PtFile
from backend.node.weights.pt_writer import write_pt
from backend.node.weights.safetensors_writer import write_safetensors
from backend.node.weights.verify_weights import verify_weights

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "hf")


@pytest.fixture
def tree(model: Path, tmp_path: Path) -> Path:
    to_megatron.run(to_tree_job(model, tmp_path / "tree", format="mcore"), quiet)
    return tmp_path / "tree"


def rewrite(folder: Path, change: Any, config: dict[str, Any]) -> None:
    """The model with `change(arrays)` for its tensors."""
    source = HfFolder(str(folder))
    arrays: dict[str, Array] = change({name: source.get(name) for name in source.names()})
    planned = [Planned(name, tuple(array.data.shape), array.dtype) for name, array in arrays.items()]
    write_safetensors(str(folder / "model.safetensors"), planned, arrays.__getitem__, {})
    (folder / "config.json").write_text(json.dumps(config))


def change_rank(tree: Path, folder: str, ending: str) -> None:
    """Another value in the first tensor whose name ends so, in one rank's file."""
    path = tree / "iter_0000001" / folder / "model_optim_rng.pt"
    file = PtFile(str(path))
    arrays = {name: file.get(name) for name in file.names()}
    name = next(name for name in arrays if name.endswith(ending))
    arrays[name] = Array(arrays[name].data.copy() + 1, arrays[name].dtype)
    from argparse import Namespace

    content = {**file.content, "args": Namespace(**file.content["args"])}
    content["model"] = {
        one[len("model/") :]: Planned(one, tuple(array.data.shape), array.dtype)
        for one, array in arrays.items()
    }
    write_pt(str(path), content, arrays.__getitem__)


def test_a_head_of_its_own_beside_a_tied_embedding(model: Path, tmp_path: Path) -> None:
    rewrite(model, lambda arrays: arrays, llama_config(tie_word_embeddings=True))
    with pytest.raises(JobError, match=r"lm_head\.weight differs from the embedding") as caught:
        to_megatron.run(to_tree_job(model, tmp_path / "out"), quiet)
    assert "set tie_word_embeddings to false" in caught.value.fix
    assert not (tmp_path / "out").exists()


def tie(arrays: dict[str, Array]) -> dict[str, Array]:
    return {**arrays, "lm_head.weight": arrays["model.embed_tokens.weight"]}


def test_a_head_that_is_the_embedding_is_fine(model: Path, tmp_path: Path) -> None:
    rewrite(model, tie, llama_config(tie_word_embeddings=True))
    to_megatron.run(to_tree_job(model, tmp_path / "out"), quiet)
    assert verify_weights(str(model), str(tmp_path / "out"))["equal"]
    [note] = inspect_weights(str(model))["notes"]
    assert "lm_head.weight is stored though the embeddings are tied" in note


def test_verify_compares_a_head_of_its_own(model: Path, tmp_path: Path) -> None:
    config = llama_config(tie_word_embeddings=True)
    rewrite(model, tie, config)
    to_megatron.run(to_tree_job(model, tmp_path / "out"), quiet)
    other = Path(shutil.copytree(model, tmp_path / "other"))
    assert verify_weights(str(model), str(other))["equal"]
    rewrite(other, lambda arrays: {**arrays, "lm_head.weight": random_bf16((11, 16), 99)}, config)
    for one in (str(tmp_path / "out"), str(model)):
        for a, b in ((one, str(other)), (str(other), one)):
            report = verify_weights(a, b)
            assert not report["equal"]
            assert not report["same_values"]
    assert verify_weights(str(other), str(other))["equal"]


def notes_of(run: Any, job: dict[str, Any]) -> str:
    """They are said, and in the manifest."""
    said: list[str] = []
    found = run(job, lambda progress: said.append(progress.note)).manifest
    notes = "\n".join(found["notes"])
    assert all(note in said for note in found["notes"])
    return notes


def test_norms_that_differ_between_ranks(model: Path, tree: Path, tmp_path: Path) -> None:
    assert "norms differ" not in notes_of(to_hf.run, to_model_job(tree, model, tmp_path / "same"))
    change_rank(tree, "mp_rank_01_001", "layernorm.weight")
    said = "1 norms differ between tensor parallel ranks, the first is mp_rank_00_001/model/decoder.layers.0"
    assert said in notes_of(to_hf.run, to_model_job(tree, model, tmp_path / "back"))
    job = {"megatron_directory": str(tree), "output_directory": str(tmp_path / "cut"), "tensor_parallel": 1}
    assert said in notes_of(reshard.run, job)


@pytest.mark.parametrize("ending", ["linear_qkv.lora_A.default.weight", "linear_fc2.lora_B.default.weight"])
def test_halves_of_an_adapter_that_differ_between_ranks(
    model: Path, tree: Path, tmp_path: Path, ending: str
) -> None:
    peft, lora = write_adapter(tmp_path / "peft", llama_config()), tmp_path / "lora"
    job = {"lora_directory": str(peft), "like_directory": str(model), "output_directory": str(lora)}
    split_adapter.run({**job, "tensor_parallel": 2, "pipeline_parallel": 2, "format": "mcore"}, quiet)
    merging = {"megatron_directory": str(tree), "lora_directory": str(lora)}
    assert "halves" not in notes_of(merge_lora.run, {**merging, "output_directory": str(tmp_path / "one")})
    change_rank(lora, "mp_rank_01_000", ending)
    said = notes_of(merge_lora.run, {**merging, "output_directory": str(tmp_path / "two")})
    assert "1 halves of the adapter" in said
    assert ending in said
    job = {"lora_directory": str(lora), "like_directory": str(model), "output_directory": str(tmp_path / "p")}
    assert ending in notes_of(export_adapter.run, job)


@pytest.mark.parametrize(
    ("stored", "said", "words"),
    [
        (
            "fp32",
            "bfloat16",
            "tensors are stored as float32 and are written as bfloat16, as config.json says:",
        ),
        (
            "bf16",
            "float32",
            "tensors are stored as bfloat16 and are written as float32, as config.json says",
        ),
        ("bf16", "bfloat16", ""),
    ],
)
def test_weights_that_are_not_as_the_config_says(
    model: Path, tmp_path: Path, stored: str, said: str, words: str
) -> None:
    from backend.node.weights.casting import cast

    rewrite(
        model,
        lambda arrays: {name: cast(array, stored).array for name, array in arrays.items()},
        llama_config(torch_dtype=said),
    )
    notes = notes_of(to_megatron.run, to_tree_job(model, tmp_path / "out"))
    assert notes.startswith(words)
    assert bool(notes) is bool(words)


@pytest.mark.parametrize(
    ("scaling", "words"),
    [
        (
            LLAMA3,
            "--rope-scaling-type llama3 --rope-scaling-factor 8 --low-freq-factor 1 --high-freq-factor 4 "
            "--original-max-position-embeddings 8192",
        ),
        ({"type": "linear", "factor": 2.5}, "--rotary-seq-len-interpolation-factor 2.5"),
        ({"rope_type": "yarn", "factor": 4}, "('yarn')"),
        ({"rope_type": "llama3", "factor": "x"}, "('llama3')"),
    ],
)
def test_scaled_positions_are_a_matter_of_the_training(
    model: Path, tmp_path: Path, scaling: dict[str, Any], words: str
) -> None:
    (model / "config.json").write_text(json.dumps(llama_config(rope_scaling=scaling)))
    assert words in notes_of(to_megatron.run, to_tree_job(model, tmp_path / "out"))
    assert words in inspect_weights(str(model))["notes"][0]


def test_what_does_not_come_along_is_said(model: Path, tree: Path, tmp_path: Path) -> None:
    (model / "sub").mkdir()
    (model / "sub" / "a.py").write_text("")
    (model / "merges.txt").symlink_to("nowhere")
    assert "do not come along: merges.txt, sub/" in notes_of(
        to_hf.run, to_model_job(tree, model, tmp_path / "back")
    )


def test_no_lock_of_ours_comes_along(model: Path, tree: Path) -> None:
    """The guide's script writes into the folder of the original."""
    found = to_hf.run(to_model_job(tree, model, model / "mg2hf"), quiet).manifest
    assert found["copied_files"] == ["config.json", "tokenizer.json"]
    assert found["notes"] == []
    assert sorted(path.name for path in (model / "mg2hf").iterdir()) == [
        "config.json",
        "model.safetensors",
        "npudeck.manifest.json",
        "tokenizer.json",
    ]
