from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hf_configs import config_of
from hf_models import ARCHITECTURE, config

from backend.catalog import catalog_files
from backend.catalog.model import Model as CatalogModel
from backend.node.job_lines import JobError
from backend.node.weights.families.all_families import FAMILIES
from backend.node.weights.model_config import model_of_architecture, model_of_args, read_model

MODELS = catalog_files.load_models()
LLAMA = next(model.architecture for model in MODELS if model.name == "llama2-70b")
every_model = pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)


def of(family: str) -> Any:
    return next(model.architecture for model in MODELS if model.architecture.family == family)


@every_model
def test_a_config_says_what_the_catalog_says(entry: CatalogModel) -> None:
    model = read_model(config_of(entry.architecture))
    assert model == model_of_architecture(dataclasses.asdict(entry.architecture))
    assert model.parameters == entry.parameters


def test_all_families_are_in_the_catalog() -> None:
    assert {model.architecture.family for model in MODELS} == set(FAMILIES)


def test_keys_that_are_missing_have_the_meaning_of_their_time() -> None:
    content = config_of(of("llama2"))
    for name in ("num_key_value_heads", "tie_word_embeddings", "rope_theta", "torch_dtype"):
        content.pop(name, None)
    model = read_model(content)
    assert (model.kv_heads, model.rope_theta, model.tie_embeddings) == (model.heads, 10000.0, False)
    assert (model.hf_dtype, model.dtype) == ("", None)


def test_newer_configs_word_it_differently() -> None:
    content = config_of(of("llama3"))
    del content["rope_theta"], content["torch_dtype"]
    content |= {"rope_parameters": {"rope_theta": 500000.0}, "dtype": "bfloat16", "head_dim": 128}
    model = read_model(content)
    assert (model.family, model.rope_theta, model.dtype) == ("llama3", 500000.0, "bf16")


def test_scaled_positions_are_kept_in_mind() -> None:
    scaled = config_of(LLAMA, rope_scaling={"rope_type": "llama3", "factor": 8.0})
    assert "llama3" in read_model(scaled).rope_scaling
    plain = config_of(LLAMA, rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    assert read_model(plain).rope_scaling == ""


def test_a_head_may_be_wider_than_its_share() -> None:
    model = read_model(config_of(of("llama2"), head_dim=256))
    assert (model.head_dim, model.size("q")) == (256, 256 * model.heads)


def test_a_chat_model_of_long_texts_has_its_positions_stretched() -> None:
    model = read_model(config_of(of("glm4"), rope_ratio=500, seq_length=131072))
    assert (model.family, model.rope_ratio, model.rope_theta) == ("glm4", 500.0, 5e6)
    assert read_model(config_of(of("chatglm3"), rope_ratio=500)).family == "chatglm3"


def test_the_small_baichuan_has_rotary_positions() -> None:
    small = dataclasses.replace(of("baichuan2"), rope_theta=10000.0)
    assert read_model(config_of(small)).rope_theta == 10000.0


@pytest.mark.parametrize(
    "change",
    [
        {"architectures": ["GPT2LMHeadModel"]},
        {"architectures": [], "model_type": "mamba"},
        {"architectures": None, "model_type": ""},
        {"architectures": "LlamaForCausalLM", "model_type": "other"},
    ],
)
def test_an_unknown_model_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(JobError) as caught:
        read_model(config_of(LLAMA, **change))
    assert "unknown model" in caught.value.what
    assert "LlamaForCausalLM" in caught.value.why


def test_a_config_without_a_class_goes_by_its_type_or_by_what_is_known() -> None:
    assert read_model(config_of(LLAMA, architectures=None)).family == "llama2"
    plain = config()
    assert read_model(plain, family="llama2").hidden == plain["hidden_size"]
    with pytest.raises(JobError):
        read_model(plain)


@pytest.mark.parametrize(
    ("family", "change", "named"),
    [
        ("llama2", {"num_hidden_layers": None}, "num_hidden_layers"),
        ("llama2", {"num_hidden_layers": 0}, "num_hidden_layers"),
        ("llama2", {"hidden_size": "4096"}, "hidden_size"),
        ("llama2", {"hidden_size": 4097}, "hidden width"),
        ("llama2", {"vocab_size": True}, "vocab_size"),
        ("llama2", {"num_key_value_heads": 3}, "key-value heads"),
        ("llama2", {"attention_bias": True}, "attention_bias"),
        ("llama2", {"mlp_bias": True}, "mlp_bias"),
        ("llama2", {"torch_dtype": "float8_e4m3fn"}, "torch_dtype"),
        ("llama2", {"rope_theta": float("nan")}, "rope_theta"),
        ("llama2", {"rms_norm_eps": "small"}, "rms_norm_eps"),
        ("qwen", {"intermediate_size": 22017}, "intermediate_size"),
        ("qwen", {"no_bias": False}, "no_bias"),
        ("chatglm3", {"padded_vocab_size": None}, "padded_vocab_size"),
        ("chatglm3", {"multi_query_group_num": None}, "multi_query_group_num"),
        ("chatglm3", {"add_bias_linear": True}, "add_bias_linear"),
        ("chatglm3", {"multi_query_attention": False}, "multi_query_attention"),
        ("glm4", {"multi_query_attention": None}, "multi_query_attention"),
        (
            "glm4",
            {"apply_residual_connection_post_layernorm": True},
            "apply_residual_connection_post_layernorm",
        ),
        ("glm4", {"rmsnorm": False}, "rmsnorm"),
    ],
)
def test_what_is_wrong_is_named(family: str, change: dict[str, Any], named: str) -> None:
    with pytest.raises(JobError) as caught:
        read_model(config_of(of(family), **change), "like_directory")
    assert named in caught.value.what
    assert caught.value.field == "like_directory"


def test_a_recipe_of_an_unknown_family_is_refused() -> None:
    with pytest.raises(JobError) as caught:
        model_of_architecture({**ARCHITECTURE, "family": "mamba"})
    assert caught.value.field == "architecture"


ARGS: dict[str, Any] = {
    "num_layers": 4,
    "hidden_size": 32,
    "num_attention_heads": 8,
    "ffn_hidden_size": 56,
    "padded_vocab_size": 80,
}


def test_args_of_a_tree_may_say_little() -> None:
    model = model_of_args(ARGS)
    assert (model.family, model.kv_heads, model.head_dim, model.vocab) == ("", 8, 4, 80)
    assert (model.tie_embeddings, model.qkv_bias, model.dtype) == (False, False, None)


def test_args_of_a_tree_count_groups_only_where_there_are_some() -> None:
    assert model_of_args({**ARGS, "group_query_attention": False, "num_query_groups": 1}).kv_heads == 8
    assert model_of_args({**ARGS, "group_query_attention": True, "num_query_groups": 1}).kv_heads == 1
    assert model_of_args({**ARGS, "num_query_groups": 4}).kv_heads == 4
    assert model_of_args({**ARGS, "add_qkv_bias": False}, has_qkv_bias=True).qkv_bias


@pytest.mark.parametrize("name", ARGS)
def test_args_that_say_too_little_are_refused(name: str) -> None:
    with pytest.raises(JobError) as caught:
        model_of_args({key: value for key, value in ARGS.items() if key != name})
    assert caught.value.field == "megatron_directory"
