"""The `args` of a checkpoint that Megatron's loaders look at, as builtin values only."""

from __future__ import annotations

from typing import Any, Dict

from backend.node.weights.weights_job import WeightsJob


def megatron_args(job: WeightsJob, dtype: str) -> Dict[str, Any]:
    """Field names and values as Megatron's own converter stores them; `dtype` is "bfloat16", "float16", ...

    Rope theta has no field there: a tree does not say it, its manifest does.
    """
    model = job.architecture
    grouped = model.kv_heads != model.heads
    even = len(set(job.layers_per_stage)) == 1
    return {
        "num_layers": model.layers,
        "num_layer_list": None if even else ",".join(map(str, job.layers_per_stage)),
        "hidden_size": model.hidden,
        "ffn_hidden_size": model.ffn,
        "num_attention_heads": model.heads,
        "group_query_attention": grouped,
        # The converter stores 1 where every head has its own keys.
        "num_query_groups": model.kv_heads if grouped else 1,
        "kv_channels": model.head_dim,
        "seq_length": model.max_position,
        "max_position_embeddings": model.max_position,
        "position_embedding_type": "rope",
        "add_position_embedding": True,
        "use_rotary_position_embeddings": True,
        "rotary_percent": 1.0,
        "rotary_base": None,
        "add_bias_linear": False,
        "add_qkv_bias": model.qkv_bias,
        "add_dense_bias": False,
        "swiglu": True,
        "normalization": "RMSNorm",
        "norm_epsilon": model.norm_eps,
        "untie_embeddings_and_output_weights": not model.tie_embeddings,
        "tokenizer_type": "Llama2Tokenizer",
        "vocab_size": model.vocab,
        "padded_vocab_size": job.padded_vocab,
        "make_vocab_size_divisible_by": job.make_vocab_size_divisible_by,
        "tensor_model_parallel_size": job.tensor_parallel,
        "pipeline_model_parallel_size": job.pipeline_parallel,
        "virtual_pipeline_model_parallel_size": None,
        "expert_model_parallel_size": 1,
        "world_size": job.tensor_parallel * job.pipeline_parallel,
        "global_batch_size": 1024,
        "micro_batch_size": 1,
        "fp16": dtype == "float16",
        "bf16": dtype == "bfloat16",
        "use_mcore_models": job.format == "mcore",
        "load": job.hf_directory,
        "save": job.output_directory,
    }
