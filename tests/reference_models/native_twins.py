"""The models of transformers that do the same arithmetic, filled with the published tensors renamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn.functional import normalize

Weights = Mapping[str, Tensor]


def qwen2_of(config: Mapping[str, Any], weights: Weights) -> Any:
    """Qwen2ForCausalLM with the tensors of Qwen (v1)."""
    found = {
        "model.embed_tokens.weight": weights["transformer.wte.weight"],
        "model.norm.weight": weights["transformer.ln_f.weight"],
        "lm_head.weight": weights["lm_head.weight"],
    }
    for layer in range(config["num_hidden_layers"]):
        old, new = f"transformer.h.{layer}.", f"model.layers.{layer}."
        for kind in ("weight", "bias"):
            _store_qkv(found, new, kind, weights[f"{old}attn.c_attn.{kind}"].chunk(3))
        found[new + "self_attn.o_proj.weight"] = weights[old + "attn.c_proj.weight"]
        found[new + "input_layernorm.weight"] = weights[old + "ln_1.weight"]
        found[new + "post_attention_layernorm.weight"] = weights[old + "ln_2.weight"]
        found[new + "mlp.up_proj.weight"] = weights[old + "mlp.w1.weight"]
        found[new + "mlp.gate_proj.weight"] = weights[old + "mlp.w2.weight"]
        found[new + "mlp.down_proj.weight"] = weights[old + "mlp.c_proj.weight"]
    heads, base = config["num_attention_heads"], float(config["rotary_emb_base"])
    made = transformers.Qwen2Config(
        **_common(
            config, config["layer_norm_epsilon"], config["vocab_size"], config["num_hidden_layers"], base
        ),
        intermediate_size=config["intermediate_size"] // 2,
        num_key_value_heads=heads,
    )
    return _filled(transformers.Qwen2ForCausalLM(made), found)


def llama_of(config: Mapping[str, Any], weights: Weights) -> Any:
    """LlamaForCausalLM with the tensors of Baichuan 2, its head normalised beforehand."""
    found = {name: tensor for name, tensor in weights.items() if "W_pack" not in name}
    found["lm_head.weight"] = normalize(weights["lm_head.weight"], dim=-1)
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        _store_qkv(found, name, "weight", weights[name + "self_attn.W_pack.weight"].chunk(3))
    made = transformers.LlamaConfig(
        **_common(config, config["rms_norm_eps"], config["vocab_size"], config["num_hidden_layers"], 10000.0),
        intermediate_size=config["intermediate_size"],
        num_key_value_heads=config["num_attention_heads"],
    )
    return _filled(transformers.LlamaForCausalLM(made), found)


def glm_of(config: Mapping[str, Any], weights: Weights) -> Any:
    """GlmForCausalLM with the tensors of ChatGLM 3 or GLM 4."""
    found = {
        "model.embed_tokens.weight": weights["transformer.embedding.word_embeddings.weight"],
        "model.norm.weight": weights["transformer.encoder.final_layernorm.weight"],
        "lm_head.weight": weights["transformer.output_layer.weight"],
    }
    width, groups = config["kv_channels"], config["multi_query_group_num"]
    blocks = [config["num_attention_heads"] * width, groups * width, groups * width]
    for layer in range(config["num_layers"]):
        old, new = f"transformer.encoder.layers.{layer}.", f"model.layers.{layer}."
        for kind in ("weight", "bias"):
            _store_qkv(
                found, new, kind, torch.split(weights[f"{old}self_attention.query_key_value.{kind}"], blocks)
            )
        found[new + "self_attn.o_proj.weight"] = weights[old + "self_attention.dense.weight"]
        found[new + "mlp.gate_up_proj.weight"] = weights[old + "mlp.dense_h_to_4h.weight"]
        found[new + "mlp.down_proj.weight"] = weights[old + "mlp.dense_4h_to_h.weight"]
        for norm in ("input_layernorm.weight", "post_attention_layernorm.weight"):
            found[new + norm] = weights[old + norm]
    base = 10000.0 * config.get("rope_ratio", 1)
    made = transformers.GlmConfig(
        **_common(
            config, config["layernorm_epsilon"], config["padded_vocab_size"], config["num_layers"], base
        ),
        intermediate_size=config["ffn_hidden_size"],
        num_key_value_heads=groups,
        head_dim=width,
        attention_bias=True,
    )
    return _filled(transformers.GlmForCausalLM(made), found)


def _store_qkv(found: dict[str, Tensor], layer: str, kind: str, blocks: tuple[Tensor, ...]) -> None:
    for letter, block in zip("qkv", blocks, strict=True):
        found[f"{layer}self_attn.{letter}_proj.{kind}"] = block


def _common(config: Mapping[str, Any], eps: float, vocab: int, layers: int, base: float) -> dict[str, Any]:
    return {
        "hidden_size": config["hidden_size"],
        "num_attention_heads": config["num_attention_heads"],
        "num_hidden_layers": layers,
        "vocab_size": vocab,
        "rms_norm_eps": eps,
        "max_position_embeddings": 64,
        "rope_theta": base,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }


def _filled(model: Any, found: Weights) -> Any:
    dtype = next(iter(found.values())).dtype
    model = model.to(dtype).eval()
    model.load_state_dict(dict(found), strict=True)
    return model
