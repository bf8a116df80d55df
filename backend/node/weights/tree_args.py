"""The `args` of a checkpoint that Megatron's loaders look at, as builtin values and a dtype only."""

from __future__ import annotations

from typing import Any, Dict

from backend.node.weights.arrays import BF16, FP16
from backend.node.weights.layout import Layout
from backend.node.weights.model import Model
from backend.node.weights.pt_values import TorchDtype


def tree_args(
    model: Model,
    layout: Layout,
    tree_format: str,
    dtype: str,
    padded_vocab: int,
    make_vocab_size_divisible_by: int = 1,
    load: str = "",
    save: str = "",
) -> Dict[str, Any]:
    """Field names and values as Megatron's own converter stores them; `load` and `save` are its paths.

    Rope theta and the turned part of a head are flags of the training: a tree does not say them, its
    manifest does.
    """
    return {
        **_dimensions(model, layout),
        **_layout(layout),
        **_dtype(dtype),
        "tokenizer_type": "PretrainedFromHF" if model.family == "qwen" else "Llama2Tokenizer",
        "vocab_size": model.vocab,
        "padded_vocab_size": padded_vocab,
        "make_vocab_size_divisible_by": make_vocab_size_divisible_by,
        "w_pack": model.family == "baichuan2" and tree_format == "legacy",
        "use_mcore_models": tree_format == "mcore",
        "load": load,
        "save": save,
        "no_save_optim": True,
        "no_save_rng": True,
        "consumed_train_samples": 0,
        "consumed_valid_samples": 0,
    }


def _dimensions(model: Model, layout: Layout) -> Dict[str, Any]:
    grouped = model.kv_heads != model.heads
    stages = ",".join(map(str, layout.layers_per_stage))
    return {
        "num_layers": model.layers,
        "encoder_num_layers": model.layers,
        "num_layer_list": None if layout.is_even else stages,
        "hidden_size": model.hidden,
        "ffn_hidden_size": model.ffn,
        "num_attention_heads": model.heads,
        "group_query_attention": grouped,
        # The converter stores 1 where every head has its own keys.
        "num_query_groups": model.kv_heads if grouped else 1,
        "kv_channels": model.head_dim,
        "seq_length": model.max_position,
        "encoder_seq_length": model.max_position,
        "max_position_embeddings": model.max_position,
        "position_embedding_type": "rope",
        "add_position_embedding": True,
        "use_rotary_position_embeddings": True,
        "rotary_percent": 1.0,
        "rotary_interleaved": False,
        "rotary_base": None,
        "add_bias_linear": False,
        "add_qkv_bias": model.qkv_bias,
        "add_dense_bias": False,
        "swiglu": True,
        "normalization": "RMSNorm",
        "norm_epsilon": model.norm_eps,
        "apply_layernorm_1p": False,
        "post_norm": False,
        "untie_embeddings_and_output_weights": not model.tie_embeddings,
    }


def _layout(layout: Layout) -> Dict[str, Any]:
    virtual = layout.layers_per_virtual_stage
    return {
        "tensor_model_parallel_size": layout.tp,
        "pipeline_model_parallel_size": layout.pp,
        "transformer_pipeline_model_parallel_size": layout.pp,
        "num_layers_per_virtual_pipeline_stage": virtual,
        "virtual_pipeline_model_parallel_size": layout.virtual_stages if virtual else None,
        "expert_model_parallel_size": 1,
        "context_parallel_size": 1,
        "data_parallel_size": 1,
        "data_parallel_random_init": False,
        "world_size": layout.tp * layout.pp,
        "global_batch_size": 1024,
        "micro_batch_size": 1,
    }


def _dtype(dtype: str) -> Dict[str, Any]:
    return {"params_dtype": TorchDtype(dtype), "fp16": dtype == FP16, "bf16": dtype == BF16}
