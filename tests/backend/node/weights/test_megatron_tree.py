"""Trees that others have written: releases, trainings, and those of the converter's second generation."""

from __future__ import annotations

import argparse
import collections
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_llama import quiet, to_model_job, to_tree_job, write_llama

from backend.node.job_lines import JobError
from backend.node.weights import reshard, shards, to_hf, to_megatron
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.layout import Layout
from backend.node.weights.megatron_tree import MegatronTree


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "hf")


def tree_of(model: Path, folder: Path, **changes: Any) -> Path:
    to_megatron.run(to_tree_job(model, folder, **changes), quiet)
    return folder


def comes_back(tree: Path, model: Path, output: Path) -> bool:
    to_hf.run(to_model_job(tree, model, output), quiet)
    ours, theirs = HfFolder(str(output)), HfFolder(str(model))
    return set(ours.names()) == set(theirs.names()) and all(
        np.array_equal(ours.get(name).data, theirs.get(name).data) for name in ours.names()
    )


@pytest.mark.parametrize(
    ("changes", "layout"),
    [
        ({}, Layout(2, 2, (2, 2))),
        ({"layers_per_stage": [1, 3], "format": "mcore"}, Layout(2, 2, (1, 3))),
        ({"tensor_parallel": 1, "pipeline_parallel": 1}, Layout(1, 1, (4,))),
        ({"pipeline_parallel": 4, "layers_per_virtual_stage": 1}, Layout(2, 4, (1, 1, 1, 1))),
    ],
)
def test_format_and_layout_are_counted(
    model: Path, tmp_path: Path, changes: dict[str, Any], layout: Layout
) -> None:
    tree = MegatronTree(str(tree_of(model, tmp_path / "tree", **changes)))
    assert tree.format == changes.get("format", "legacy")
    assert tree.layout == layout
    assert tree.dtypes() == ["bf16"]
    assert not tree.is_adapter


def test_virtual_stages_are_seen(tmp_path: Path) -> None:
    model = write_llama(tmp_path / "hf", num_hidden_layers=8)
    changes = {"pipeline_parallel": 4, "layers_per_virtual_stage": 1}
    for tree_format in ("legacy", "mcore"):
        tree = tree_of(model, tmp_path / tree_format, format=tree_format, **changes)
        assert MegatronTree(str(tree)).layout == Layout(2, 4, (2, 2, 2, 2), 1)
        assert comes_back(tree, model, tmp_path / f"back-{tree_format}")


def test_a_release(model: Path, tmp_path: Path) -> None:
    tree = tree_of(model, tmp_path / "tree")
    (tree / "iter_0000001").rename(tree / "release")
    (tree / "latest_checkpointed_iteration.txt").write_text("release")
    assert MegatronTree(str(tree)).iteration is None
    assert comes_back(tree, model, tmp_path / "back")
    (tree / "release" / "mp_rank_01_001" / "model_optim_rng.pt").unlink()
    with pytest.raises(JobError, match=r"1 of 4 rank files are missing.*release"):
        MegatronTree(str(tree))


def test_the_newest_iteration_counts(model: Path, tmp_path: Path) -> None:
    tree = tree_of(model, tmp_path / "tree")
    shutil.copytree(tree / "iter_0000001", tree / "iter_0000500")
    shutil.rmtree(tree / "iter_0000001" / "mp_rank_00_000")
    (tree / "latest_checkpointed_iteration.txt").write_text("500\n")
    assert MegatronTree(str(tree)).iteration == 500
    assert comes_back(tree, model, tmp_path / "back")


@pytest.mark.torch
def test_a_checkpoint_of_our_own_training(model: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tree = tree_of(model, tmp_path / "tree", format="mcore")
    saved = tmp_path / "saved"
    for tp_rank in range(2):
        for pp_rank in range(2):
            place = (tp_rank, pp_rank, 2, 2)
            args = dict(vars(shards.read_rank(str(tree), *place)["args"]))
            extra = {"optimizer": {"model/": torch.zeros(3), "step": 20}, "consumed_samples": 7}
            shards.save_rank(str(saved), 20, *place, shards.load_rank(str(tree), *place), extra, args)
    shards.publish(str(saved), 20)
    assert comes_back(saved, model, tmp_path / "back")
    notes: list[str] = []
    job = {
        "megatron_directory": str(saved),
        "output_directory": str(tmp_path / "moved"),
        "tensor_parallel": 1,
    }
    reshard.run(job, lambda told: notes.append(told.note) if told.note else None)
    assert notes == [
        "the optimizer of the checkpoint is left behind: only weights are cut anew",
        "rows that pad the vocabulary are taken off: of 12 are 11 left",
    ]
    assert comes_back(tmp_path / "moved", model, tmp_path / "back-again")


@pytest.mark.torch
def test_a_tree_of_the_second_generation(model: Path, tmp_path: Path) -> None:
    """No padding where TP does not divide the vocabulary, few arguments, no extra states, protocol 4."""
    torch = pytest.importorskip("torch")
    tree = tree_of(model, tmp_path / "tree", format="mcore", pipeline_parallel=1)
    for tp_rank in range(2):
        content = shards.read_rank(str(tree), tp_rank, 0, 2, 1)
        found: dict[str, Any] = collections.defaultdict(dict)
        for name, tensor in content["model"].items():
            if tensor is not None:
                rows = (
                    11 // 2
                    if tp_rank and name in ("embedding.word_embeddings.weight", "output_layer.weight")
                    else None
                )
                found[name] = tensor[:rows].clone()
        names = ("num_layers", "hidden_size", "num_attention_heads", "ffn_hidden_size", "num_query_groups",
                 "group_query_attention", "tensor_model_parallel_size", "pipeline_model_parallel_size",
                 "vocab_size", "untie_embeddings_and_output_weights", "max_position_embeddings")  # fmt: skip
        args = argparse.Namespace(**{name: getattr(content["args"], name) for name in names})
        path = tree / "iter_0000001" / f"mp_rank_{tp_rank:02d}" / "model_optim_rng.pt"
        written = {"args": args, "checkpoint_version": 3.0, "iteration": 1, "model": found}
        torch.save(written, path, pickle_protocol=4)
    assert comes_back(tree, model, tmp_path / "back")
    job = {
        "megatron_directory": str(tree),
        "output_directory": str(tmp_path / "moved"),
        "pipeline_parallel": 2,
    }
    reshard.run(job, quiet)
    assert comes_back(tmp_path / "moved", model, tmp_path / "back-again")
