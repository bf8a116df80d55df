"""A tiny Llama with random weights in a Hugging Face folder, and the job that converts it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ARCHITECTURE: dict[str, Any] = {
    "family": "llama2",
    "layers": 3,
    "hidden": 16,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 4,
    "ffn": 24,
    "vocab": 11,
    "rope_theta": 10000.0,
    "max_position": 32,
    "norm_eps": 1e-5,
    "tie_embeddings": False,
    "qkv_bias": False,
    "hf_dtype": "bfloat16",
}


def config(**changes: Any) -> dict[str, Any]:
    return {
        "num_hidden_layers": 3,
        "hidden_size": 16,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 24,
        "vocab_size": 11,
        "rms_norm_eps": 1e-5,
        "torch_dtype": "bfloat16",
        **changes,
    }


def tensors() -> dict[str, Any]:
    """All tensors of the model, by their Hugging Face names, in bfloat16."""
    import torch

    chance = torch.Generator().manual_seed(1)
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (11, 16),
        "model.norm.weight": (16,),
        "lm_head.weight": (11, 16),
    }
    for layer in range(3):
        prefix = f"model.layers.{layer}."
        shapes |= {
            prefix + "input_layernorm.weight": (16,),
            prefix + "post_attention_layernorm.weight": (16,),
            prefix + "self_attn.q_proj.weight": (16, 16),
            prefix + "self_attn.k_proj.weight": (8, 16),
            prefix + "self_attn.v_proj.weight": (8, 16),
            prefix + "self_attn.o_proj.weight": (16, 16),
            prefix + "mlp.gate_proj.weight": (24, 16),
            prefix + "mlp.up_proj.weight": (24, 16),
            prefix + "mlp.down_proj.weight": (16, 24),
        }
    return {name: torch.randn(shape, generator=chance).to(torch.bfloat16) for name, shape in shapes.items()}


def write_model(folder: Path, found: dict[str, Any], **changes: Any) -> Path:
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(**changes)))
    save_file(found, folder / "model.safetensors")
    return folder


def job_for(folder: Path, output: Path, **changes: Any) -> dict[str, Any]:
    return {
        "hf_directory": str(folder),
        "output_directory": str(output),
        "architecture": ARCHITECTURE,
        "tensor_parallel": 2,
        "pipeline_parallel": 2,
        "layers_per_stage": [1, 2],
        "format": "mcore",
        "dtype": None,
        **changes,
    }
