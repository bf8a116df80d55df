"""The plain model of a config.json, and tiny models as their publishers would word them."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from tests.reference_models import plain_baichuan, plain_chatglm, plain_qwen

_MODULES = {"qwen": plain_qwen, "chatglm": plain_chatglm, "baichuan": plain_baichuan}

_SIZES = {"hidden_size": 32, "num_attention_heads": 4}
_QWEN: dict[str, Any] = {
    **_SIZES,
    "architectures": ["QWenLMHeadModel"],
    "model_type": "qwen",
    "num_hidden_layers": 4,
    "kv_channels": 8,
    "intermediate_size": 96,
    "vocab_size": 67,
    "layer_norm_epsilon": 1e-6,
    "max_position_embeddings": 128,
    "rotary_emb_base": 10000,
    "rotary_pct": 1.0,
    "seq_length": 64,
    "use_dynamic_ntk": True,
    "use_logn_attn": True,
    "no_bias": True,
    "tie_word_embeddings": False,
}
_CHATGLM3: dict[str, Any] = {
    **_SIZES,
    "architectures": ["ChatGLMModel"],
    "model_type": "chatglm",
    "num_layers": 4,
    "kv_channels": 8,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "ffn_hidden_size": 48,
    "padded_vocab_size": 67,
    "layernorm_epsilon": 1e-5,
    "seq_length": 64,
    "add_bias_linear": False,
    "add_qkv_bias": True,
    "apply_query_key_layer_scaling": True,
    "apply_residual_connection_post_layernorm": False,
    "original_rope": True,
    "post_layer_norm": True,
    "rmsnorm": True,
    "tie_word_embeddings": False,
}
_BAICHUAN_ALIBI: dict[str, Any] = {
    "architectures": ["BaichuanForCausalLM"],
    "model_type": "baichuan",
    "hidden_size": 48,
    "num_attention_heads": 6,
    "num_hidden_layers": 4,
    "intermediate_size": 56,
    "vocab_size": 67,
    "rms_norm_eps": 1e-6,
    "model_max_length": 64,
    "tie_word_embeddings": False,
}
# Every kind of config.json; heads wider than hidden / heads, and a number that is no power of two, as in
# the published 13B, where a family has them.
TINY: dict[str, dict[str, Any]] = {
    "qwen": _QWEN,
    "qwen-larger-base": {**_QWEN, "rotary_emb_base": 1000000},
    "chatglm3": _CHATGLM3,
    "chatglm3-wide-heads": {**_CHATGLM3, "kv_channels": 16},
    "glm4-chat": {**_CHATGLM3, "layernorm_epsilon": 1.5625e-07, "rope_ratio": 500},
    "baichuan2-rotary": {**_BAICHUAN_ALIBI, **_SIZES, "max_position_embeddings": 64},
    "baichuan2-alibi": _BAICHUAN_ALIBI,
    "baichuan2-alibi-power-of-two": {**_BAICHUAN_ALIBI, **_SIZES},
}


def module_of(config: Mapping[str, Any]) -> ModuleType:
    """The module with `shapes` and `logits` for the config's `model_type`."""
    return _MODULES[config["model_type"]]


def logits(config: Mapping[str, Any], weights: Mapping[str, Tensor], ids: Tensor) -> Tensor:
    """`ids` [batch, seq] (int64) to [batch, seq, vocab] in the dtype of `weights`."""
    found: Tensor = module_of(config).logits(config, weights, ids)
    return found


def random_weights(config: Mapping[str, Any], dtype: torch.dtype, seed: int = 5) -> dict[str, Tensor]:
    """Every published tensor: normal values, so large that each position and part shows in the logits, and
    in the norms and biases too."""
    chance = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name, shape in module_of(config).shapes(config).items():
        values = torch.randn(shape, generator=chance, dtype=torch.float64) * 0.2
        is_norm = "norm" in name or ".ln_" in name
        found[name] = (1.0 + values if is_norm else values).to(dtype)
    if plain_chatglm.ROTARY_BUFFER in found:
        half = config["kv_channels"] // 2
        exponents = torch.arange(0, half, 2, dtype=torch.float64) / half
        found[plain_chatglm.ROTARY_BUFFER] = (1.0 / 10000.0**exponents).to(dtype)
    return found


def some_ids(config: Mapping[str, Any], length: int = 24) -> Tensor:
    """Two rows of token ids [2, length]: all different within a row."""
    vocab = config.get("vocab_size", config.get("padded_vocab_size"))
    chance = torch.Generator().manual_seed(11)
    return torch.stack([torch.randperm(vocab, generator=chance)[:length] for _ in range(2)])
