"""How the config.json of each family says what the model is."""

from __future__ import annotations

import json
from gettext import gettext as _
from typing import Any, Callable, Dict, Mapping

from backend.node.weights.config_keys import MOST_LAYERS, ConfigKeys
from backend.node.weights.model import DTYPES, Model

DEFAULT_THETA = 10000.0
Reader = Callable[[ConfigKeys], Model]


def _llama(keys: ConfigKeys) -> Model:
    for name in ("attention_bias", "mlp_bias"):
        keys.refuse(name)
    model = _plain(keys, "llama2", "rms_norm_eps", qkv_bias=False)
    if model.vocab == 128256 or model.rope_theta == 500000.0:
        return model._replace(family="llama3")
    if model.vocab == 64000 or model.rope_theta in (5e6, 1e7):
        return model._replace(family="yi")
    return model


def _qwen2(keys: ConfigKeys) -> Model:
    """Qwen 1.5 and Qwen 2 share class and names. Only Qwen 1.5 has heads with keys of their own; its one
    model without has another sliding window than the untied ones of Qwen 2."""
    model = _plain(keys, "qwen2", "rms_norm_eps", qkv_bias=True)
    old_window = keys.config.get("sliding_window") == 32768 and not model.tie_embeddings
    return model._replace(family="qwen1.5") if model.kv_heads == model.heads or old_window else model


def _qwen(keys: ConfigKeys) -> Model:
    keys.require_true("no_bias")
    model = _plain(keys, "qwen", "layer_norm_epsilon", qkv_bias=True)
    if model.ffn % 2:
        raise keys.wrong("intermediate_size", _("it is twice the width, so an even number"))
    theta = keys.number("rotary_emb_base", DEFAULT_THETA)
    return model._replace(ffn=model.ffn // 2, rope_theta=theta)


def _baichuan(keys: ConfigKeys) -> Model:
    model = _plain(keys, "baichuan2", "rms_norm_eps", qkv_bias=False)
    # The 13B turns nothing: it has linear biases on the scores, and no table of positions.
    return model if "max_position_embeddings" in keys.config else model._replace(rope_theta=0.0)


def _chatglm(keys: ConfigKeys) -> Model:
    keys.refuse("add_bias_linear")
    # The residual would be another one, and heads without groups are packed one by one.
    keys.refuse("apply_residual_connection_post_layernorm")
    for name in ("rmsnorm", "post_layer_norm"):
        keys.require_true(name)
    if not keys.config.get("multi_query_attention"):
        raise keys.wrong("multi_query_attention", _("models without it are not supported"))
    heads, hidden = keys.count("num_attention_heads"), keys.count("hidden_size")
    vocab, eps = keys.count("padded_vocab_size"), keys.number("layernorm_epsilon", 1e-5)
    ratio = keys.number("rope_ratio", 1.0)
    config_bias = keys.config.get("add_qkv_bias", False)
    return Model(
        # GLM 4 has a larger vocabulary and a smaller epsilon; the ratio of positions differs within both.
        family="glm4" if vocab > 100000 or eps < 1e-6 else "chatglm3",
        layers=keys.count("num_layers", most=MOST_LAYERS),
        hidden=hidden,
        heads=heads,
        kv_heads=keys.count("multi_query_group_num"),
        head_dim=keys.head_dim("kv_channels", hidden, heads),
        ffn=keys.count("ffn_hidden_size"),
        vocab=vocab,
        rope_theta=DEFAULT_THETA * ratio,
        max_position=keys.count("seq_length"),
        norm_eps=eps,
        tie_embeddings=bool(keys.config.get("tie_word_embeddings", False)),
        qkv_bias=bool(config_bias),
        hf_dtype=keys.dtype(DTYPES),
        rotary_percent=0.5,
        rope_ratio=ratio,
    )


def _plain(keys: ConfigKeys, family: str, eps: str, qkv_bias: bool) -> Model:
    """A model with Llama's keys."""
    config = keys.config
    heads, hidden = keys.count("num_attention_heads"), keys.count("hidden_size")
    rope, nested = keys.rotary_settings()
    position = "max_position_embeddings" if "max_position_embeddings" in config else "model_max_length"
    return Model(
        family=family,
        layers=keys.count("num_hidden_layers", most=MOST_LAYERS),
        hidden=hidden,
        heads=heads,
        kv_heads=keys.count("num_key_value_heads", heads),
        head_dim=keys.head_dim("head_dim" if "head_dim" in config else "kv_channels", hidden, heads),
        ffn=keys.count("intermediate_size"),
        vocab=keys.count("vocab_size"),
        rope_theta=keys.number("rope_theta", nested or DEFAULT_THETA),
        max_position=keys.count(position, 4096),
        norm_eps=keys.number(eps, 1e-6),
        tie_embeddings=bool(config.get("tie_word_embeddings", False)),
        qkv_bias=qkv_bias,
        hf_dtype=keys.dtype(DTYPES),
        rope_scaling=_scaling(keys, rope),
    )


def _scaling(keys: ConfigKeys, rope: Mapping[str, Any]) -> str:
    """As JSON."""
    value = keys.config.get("rope_scaling") or rope
    if not isinstance(value, dict):
        raise keys.wrong("rope_scaling", _("it must be an object"))
    kind = value.get("rope_type", value.get("type", "default"))
    return "" if kind == "default" else json.dumps(value)


ARCHITECTURES: Dict[str, Reader] = {
    "LlamaForCausalLM": _llama,
    "QWenLMHeadModel": _qwen,
    "Qwen2ForCausalLM": _qwen2,
    "BaichuanForCausalLM": _baichuan,
    "BaiChuanForCausalLM": _baichuan,
    "ChatGLMForConditionalGeneration": _chatglm,
    "ChatGLMModel": _chatglm,
}
MODEL_TYPES: Dict[str, Reader] = {
    "llama": _llama,
    "qwen": _qwen,
    "qwen2": _qwen2,
    "baichuan": _baichuan,
    "chatglm": _chatglm,
}
FAMILY_READERS: Dict[str, Reader] = {
    "llama2": _llama,
    "llama3": _llama,
    "yi": _llama,
    "qwen": _qwen,
    "qwen1.5": _qwen2,
    "qwen2": _qwen2,
    "chatglm3": _chatglm,
    "glm4": _chatglm,
    "baichuan2": _baichuan,
}
