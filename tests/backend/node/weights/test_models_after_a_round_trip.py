"""What comes back from a tree answers the same logits: models of transformers, which also generate the same
text, and the families that transformers has no code of, through the plain models of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from random_llama import quiet, to_model_job, to_tree_job

from backend.node.weights import to_hf, to_megatron

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.reference_models import plain_megatron
from tests.reference_models.plain_models import TINY, logits, random_weights, some_ids

pytestmark = pytest.mark.torch

SIZES: dict[str, Any] = {
    "num_hidden_layers": 4,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 67,
    "max_position_embeddings": 64,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama2": ("Llama", {"num_key_value_heads": 4}),
    "llama3": ("Llama", {"num_key_value_heads": 2, "rope_theta": 500000.0}),
    "yi": ("Llama", {"num_key_value_heads": 2, "rope_theta": 5000000.0}),
    "qwen1.5": ("Qwen2", {"num_key_value_heads": 4}),
    "qwen2": ("Qwen2", {"num_key_value_heads": 2}),
    "qwen2-tied": ("Qwen2", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
}


def save_model(name: str, folder: Path) -> None:
    kind, changes = MODELS[name]
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **changes})
    torch.manual_seed(3)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).to(torch.bfloat16)
    for parameter in model.parameters():
        # Biases and norms too: their first values hide a part that was left out.
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)


def load(folder: Path) -> Any:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    assert model.dtype == torch.bfloat16
    return model


@pytest.mark.parametrize("tree_format", ["legacy", "mcore"])
@pytest.mark.parametrize("name", MODELS)
def test_logits_and_text_are_the_same(name: str, tree_format: str, tmp_path: Path) -> None:
    folder, tree, output = tmp_path / "hf", tmp_path / "tree", tmp_path / "back"
    save_model(name, folder)
    to_megatron.run(to_tree_job(folder, tree, format=tree_format), quiet)
    to_hf.run(to_model_job(tree, folder, output, max_shard_bytes=30000), quiet)
    # Both from files: casting a model in memory also casts its table of rotary frequencies.
    model, back = load(folder), load(output)
    tokens = torch.arange(40).reshape(2, 20) % SIZES["vocab_size"]
    with torch.no_grad():
        assert torch.equal(model(tokens).logits, back(tokens).logits)
        asked = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
        assert torch.equal(model.generate(tokens, **asked), back.generate(tokens, **asked))


# Tensor parallel, pipeline parallel, layers per stage.
LAYOUTS: list[tuple[int, int, list[int]]] = [
    (1, 1, []),
    (2, 1, []),
    (2, 2, []),
    (2, 2, [1, 3]),
    (1, 3, [1, 2, 1]),
    (2, 4, []),
]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The same sums in the same order; and no waiting for threads on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_folder(name: str, folder: Path) -> None:
    """config.json and weights in bf16, under their published names."""
    folder.mkdir()
    config = {**TINY[name], "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(random_weights(config, torch.bfloat16), folder / "model.safetensors")


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """config.json and all tensors, in fp64: no rounding hides what was moved."""
    config = json.loads((folder / "config.json").read_text())
    weights: dict[str, Any] = {}
    for path in folder.glob("*.safetensors"):
        weights |= {name: tensor.double() for name, tensor in load_file(path).items()}
    return config, weights


def answer(folder: Path) -> Any:
    """The plain model's logits of what lies in the folder, [2, seq, vocab]."""
    config, weights = read_folder(folder)
    return logits(config, weights, some_ids(config))


@pytest.mark.parametrize(
    "layout", LAYOUTS, ids=lambda layout: "-".join(map(str, layout[:2] + tuple(layout[2])))
)
@pytest.mark.parametrize("tree_format", ["legacy", "mcore"])
@pytest.mark.parametrize("name", TINY)
@pytest.mark.usefixtures("one_thread")
def test_plain_models_answer_the_same(
    name: str, tree_format: str, layout: tuple[int, int, list[int]], tmp_path: Path
) -> None:
    folder, tree, output = tmp_path / "hf", tmp_path / "tree", tmp_path / "back"
    write_folder(name, folder)
    tp, pp, stages = layout
    asked = {"tensor_parallel": tp, "pipeline_parallel": pp, "layers_per_stage": stages}
    to_megatron.run(to_tree_job(folder, tree, format=tree_format, **asked), quiet)
    to_hf.run(to_model_job(tree, folder, output, max_shard_bytes=30000), quiet)
    before, after = answer(folder), answer(output)
    assert before.std() > 0.5
    assert torch.equal(before, after)
    # Two mistakes that undo each other would show in the tree.
    config = read_folder(folder)[0]
    whole = plain_megatron.whole_weights(tree / "iter_0000001")
    inside = plain_megatron.logits(
        config, {key: value.double() for key, value in whole.items()}, some_ids(config)
    )
    assert (inside - before).abs().max() < 1e-10


def up_above_gate(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        name = "decoder.layers.0.mlp.linear_fc1.weight"
        rank[name] = torch.cat(rank[name].chunk(2)[::-1])


def values_above_keys(ranks: list[dict[str, Any]]) -> None:
    """In the last group of every rank: key and value are its last two blocks of 8 rows."""
    for rank in ranks:
        name = "decoder.layers.0.self_attention.linear_qkv.weight"
        *before, key, value = rank[name].split(8)
        rank[name] = torch.cat([*before, value, key])


def groups_on_each_others_rank(ranks: list[dict[str, Any]]) -> None:
    name = "decoder.layers.0.self_attention.linear_qkv.weight"
    ranks[0][name], ranks[1][name] = ranks[1][name], ranks[0][name]


@pytest.mark.parametrize("spoil", [up_above_gate, values_above_keys, groups_on_each_others_rank])
@pytest.mark.parametrize("name", ["qwen", "chatglm3", "glm4-chat", "baichuan2-rotary", "baichuan2-alibi"])
@pytest.mark.usefixtures("one_thread")
def test_plain_models_answer_otherwise_from_a_spoiled_tree(name: str, spoil: Any, tmp_path: Path) -> None:
    folder, tree, output = tmp_path / "hf", tmp_path / "tree", tmp_path / "back"
    write_folder(name, folder)
    to_megatron.run(to_tree_job(folder, tree, format="mcore", pipeline_parallel=1), quiet)
    paths = sorted(tree.glob("iter_0000001/mp_rank_*/model_optim_rng.pt"))
    ranks = [torch.load(path, weights_only=False) for path in paths]
    spoil([rank["model"] for rank in ranks])
    for path, rank in zip(paths, ranks, strict=True):
        torch.save(rank, path)
    to_hf.run(to_model_job(tree, folder, output), quiet)
    assert (answer(folder) - answer(output)).abs().max() > 1e-2
