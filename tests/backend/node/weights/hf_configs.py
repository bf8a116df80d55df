"""The config.json of every family, as its publisher words it."""

from __future__ import annotations

from typing import Any

from backend.catalog.model import Architecture


def config_of(model: Architecture, **changes: Any) -> dict[str, Any]:
    """What config.json says for the architecture, with `changes`."""
    return {**_BUILDERS[model.family](model), "torch_dtype": model.hf_dtype, **changes}


def _llama(model: Architecture) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": model.layers,
        "hidden_size": model.hidden,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads,
        "intermediate_size": model.ffn,
        "vocab_size": model.vocab,
        "rms_norm_eps": model.norm_eps,
        "max_position_embeddings": model.max_position,
        "rope_theta": model.rope_theta,
        "rope_scaling": None,
        "tie_word_embeddings": model.tie_embeddings,
    }


def _qwen2(model: Architecture) -> dict[str, Any]:
    window = 32768 if model.family == "qwen1.5" else 131072
    names = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
    return {**_llama(model), **names, "sliding_window": window, "use_sliding_window": False}


def _qwen(model: Architecture) -> dict[str, Any]:
    return {
        "architectures": ["QWenLMHeadModel"],
        "model_type": "qwen",
        "num_hidden_layers": model.layers,
        "hidden_size": model.hidden,
        "num_attention_heads": model.heads,
        "kv_channels": model.head_dim,
        "intermediate_size": 2 * model.ffn,
        "vocab_size": model.vocab,
        "layer_norm_epsilon": model.norm_eps,
        "max_position_embeddings": model.max_position,
        "rotary_emb_base": model.rope_theta,
        "seq_length": 2048,
        "no_bias": True,
        "tie_word_embeddings": model.tie_embeddings,
    }


def _baichuan(model: Architecture) -> dict[str, Any]:
    config = _llama(model)
    for name in ("num_key_value_heads", "rope_theta", "rope_scaling", "max_position_embeddings"):
        del config[name]
    config |= {"architectures": ["BaichuanForCausalLM"], "model_type": "baichuan", "model_max_length": 4096}
    # Only the small one has rotary positions.
    return config if model.rope_theta == 0 else {**config, "max_position_embeddings": model.max_position}


def _chatglm(model: Architecture) -> dict[str, Any]:
    return {
        "architectures": ["ChatGLMModel"],
        "model_type": "chatglm",
        "num_layers": model.layers,
        "hidden_size": model.hidden,
        "num_attention_heads": model.heads,
        "multi_query_attention": True,
        "multi_query_group_num": model.kv_heads,
        "kv_channels": model.head_dim,
        "ffn_hidden_size": model.ffn,
        "padded_vocab_size": model.vocab,
        "layernorm_epsilon": model.norm_eps,
        "seq_length": model.max_position,
        "add_bias_linear": False,
        "add_qkv_bias": True,
        "rmsnorm": True,
        "post_layer_norm": True,
        "tie_word_embeddings": False,
    }


_BUILDERS = {
    "llama2": _llama,
    "llama3": _llama,
    "yi": _llama,
    "qwen": _qwen,
    "qwen1.5": _qwen2,
    "qwen2": _qwen2,
    "baichuan2": _baichuan,
    "chatglm3": _chatglm,
    "glm4": _chatglm,
}
