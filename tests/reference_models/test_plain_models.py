"""The plain models are the published ones: twins in transformers answer the same, and no mistake is mute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

from tests.reference_models import mistakes, native_twins, plain_baichuan
from tests.reference_models.plain_models import TINY, logits, module_of, random_weights, some_ids

pytestmark = pytest.mark.torch

every_model = pytest.mark.parametrize("name", TINY)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine take longer than these sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


TWINS = {"qwen": native_twins.qwen2_of, "chatglm": native_twins.glm_of, "baichuan": native_twins.llama_of}
# Sizes of the published config.json files, and the parameters that their publishers count.
PUBLISHED: dict[str, tuple[str, dict[str, int], int]] = {
    "qwen-7b": (
        "qwen",
        {
            "num_hidden_layers": 32,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "kv_channels": 128,
            "intermediate_size": 22016,
            "vocab_size": 151936,
        },
        7721324544,
    ),
    "chatglm3-6b": (
        "chatglm3",
        {
            "num_layers": 28,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "kv_channels": 128,
            "multi_query_group_num": 2,
            "ffn_hidden_size": 13696,
            "padded_vocab_size": 65024,
        },
        6243584000,
    ),
    "glm-4-9b-chat": (
        "glm4-chat",
        {
            "num_layers": 40,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "kv_channels": 128,
            "multi_query_group_num": 2,
            "ffn_hidden_size": 13696,
            "padded_vocab_size": 151552,
        },
        9399951360,
    ),
    "baichuan2-7b": (
        "baichuan2-rotary",
        {"num_hidden_layers": 32, "hidden_size": 4096, "intermediate_size": 11008, "vocab_size": 125696},
        7505973248,
    ),
    "baichuan2-13b": (
        "baichuan2-alibi",
        {"num_hidden_layers": 40, "hidden_size": 5120, "intermediate_size": 13696, "vocab_size": 125696},
        13896668160,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_shapes_hold_as_many_parameters_as_published(name: str) -> None:
    kind, sizes, parameters = PUBLISHED[name]
    config = {**TINY[kind], **sizes}
    shapes = module_of(config).shapes(config)
    shapes.pop("transformer.rotary_pos_emb.inv_freq", None)
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == parameters


def twin_logits(config: dict[str, Any], weights: dict[str, Any], ids: Any) -> Any:
    """What the twin answers. Positions that are all 0 turn nothing: so Llama gets ALiBi by its mask."""
    given: dict[str, Any] = {}
    if config["model_type"] == "baichuan" and "max_position_embeddings" not in config:
        (batch, length), heads = ids.shape, config["num_attention_heads"]
        dtype = weights["lm_head.weight"].dtype
        alibi = build_alibi_tensor(torch.ones_like(ids), heads, dtype).reshape(batch, heads, 1, length)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        mask = alibi.expand(batch, heads, length, length).masked_fill(later, torch.finfo(dtype).min)
        given = {"attention_mask": mask, "position_ids": torch.zeros_like(ids)}
    with torch.no_grad():
        return TWINS[config["model_type"]](config, weights)(ids, **given).logits


@every_model
def test_transformers_answers_the_same(name: str) -> None:
    config = TINY[name]
    weights, ids = random_weights(config, torch.float32), some_ids(config)
    found, expected = logits(config, weights, ids), twin_logits(config, weights, ids)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.fixture
def all_in_fp64(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers asks for fp32 in norms and rotary tables whatever the weights are: here it gets fp64."""
    for name in ("float32", "float"):
        monkeypatch.setattr(torch, name, torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


@every_model
@pytest.mark.usefixtures("all_in_fp64")
def test_transformers_answers_the_same_to_the_last_digits(name: str) -> None:
    config = TINY[name]
    weights, ids = random_weights(config, torch.float64), some_ids(config)
    found, expected = logits(config, weights, ids), twin_logits(config, weights, ids)
    assert expected.abs().max() > 1
    assert (found - expected).abs().max() < 1e-10


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 32, 40, 52, 64])
def test_slopes_of_alibi_are_those_of_bloom(heads: int) -> None:
    expected = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)[:, 0, 1]
    assert torch.allclose(torch.tensor(plain_baichuan.alibi_slopes(heads)), expected, rtol=1e-6, atol=0)


def test_lengths_of_the_rows_of_norm_head_do_not_matter() -> None:
    config = TINY["baichuan2-alibi"]
    weights, ids = random_weights(config, torch.float64), some_ids(config)
    longer = {**weights, "lm_head.weight": weights["lm_head.weight"] * torch.arange(1, 68)[:, None]}
    assert torch.allclose(logits(config, weights, ids), logits(config, longer, ids), rtol=0, atol=1e-12)


def difference(name: str, weights: dict[str, Any], **changes: Any) -> float:
    """How much the largest logit moves from the right model to one with `weights` and config `changes`."""
    config = TINY[name]
    right, ids = random_weights(config, torch.float64), some_ids(config)
    moved = logits({**config, **changes}, weights, ids) - logits(config, right, ids)
    return float(moved.abs().max())


@every_model
def test_no_tensor_is_left_unread(name: str) -> None:
    right = random_weights(TINY[name], torch.float64)
    mute = {key for key in right if difference(name, {**right, key: right[key].flip(0)}) < 1e-2}
    assert mute <= {"transformer.rotary_pos_emb.inv_freq"}


@every_model
def test_gate_and_up_differ(name: str) -> None:
    right = random_weights(TINY[name], torch.float64)
    assert difference(name, mistakes.swap_gate_and_up(TINY[name], right)) > 1e-2


@every_model
@pytest.mark.parametrize("mistake", mistakes.ROW_MISTAKES)
def test_rows_of_queries_keys_and_values_have_their_place(name: str, mistake: str) -> None:
    config, moved = TINY[name], mistakes.ROW_MISTAKES[mistake]
    right = random_weights(config, torch.float64)
    kinds = ["both"] if config["model_type"] == "baichuan" else ["weight", "bias", "both"]
    for kind in kinds:
        assert difference(name, mistakes.misplace_rows(config, right, moved, kind)) > 1e-2


@every_model
def test_order_within_a_head_matters_where_positions_turn_it(name: str) -> None:
    config = TINY[name]
    right = random_weights(config, torch.float64)
    moved = mistakes.misplace_rows(config, right, mistakes.halves_for_neighbours, "both")
    # ALiBi adds to scores: the same order in q and k is no mistake there.
    assert (difference(name, moved) > 1e-2) == ("alibi" not in name)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("qwen", {"rotary_emb_base": 1000000}),
        ("chatglm3", {"rope_ratio": 50}),
        ("glm4-chat", {"rope_ratio": 1}),
        ("baichuan2-alibi", {"max_position_embeddings": 64}),
        ("qwen", {"layer_norm_epsilon": 1e-2}),
        ("chatglm3", {"layernorm_epsilon": 1e-2}),
        ("baichuan2-rotary", {"rms_norm_eps": 1e-2}),
    ],
)
def test_numbers_of_the_config_act(name: str, changes: dict[str, Any]) -> None:
    assert difference(name, random_weights(TINY[name], torch.float64), **changes) > 1e-2


def test_what_would_need_other_arithmetic_is_refused() -> None:
    qwen, glm = TINY["qwen"], {**TINY["chatglm3"], "multi_query_attention": False}
    with pytest.raises(ValueError, match="above 64"):
        logits(qwen, random_weights(qwen, torch.float32), some_ids(qwen, 65))
    with pytest.raises(ValueError, match="multi_query_attention"):
        module_of(glm).shapes(glm)
