"""Writes what megatron-core itself would: the checkpoint of a tiny model and its logits (started by a test).

Usage: megatron_core_worker.py DIRECTORY. `logits.pt` holds those of the tokens in native_cases' vocabulary.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

TOKENS = torch.arange(32).view(2, 16) * 3 % 67


class _Tracker:
    def fork(self, *_name: Any) -> Any:
        return contextlib.nullcontext()


def build(parallel_state: Any) -> Any:
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.models.gpt.gpt_model import GPTModel
    from megatron.core.transformer.transformer_config import TransformerConfig

    parallel_state.initialize_model_parallel(1, 1)
    config = TransformerConfig(
        num_layers=4,
        hidden_size=32,
        num_attention_heads=4,
        num_query_groups=2,
        ffn_hidden_size=48,
        use_cpu_initialization=True,
        params_dtype=torch.float32,
        gated_linear_unit=True,
        activation_func=torch.nn.functional.silu,
        normalization="RMSNorm",
        add_bias_linear=False,
        add_qkv_bias=True,
        bias_dropout_fusion=False,
        bias_activation_fusion=False,
        apply_rope_fusion=False,
        masked_softmax_fusion=False,
        gradient_accumulation_fusion=False,
        persist_layer_norm=False,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        layernorm_epsilon=1e-5,
    )
    torch.manual_seed(1)
    return GPTModel(
        config=config,
        transformer_layer_spec=get_gpt_layer_local_spec(normalization="RMSNorm"),
        vocab_size=67,
        max_sequence_length=64,
        position_embedding_type="rope",
        share_embeddings_and_output_weights=False,
        parallel_output=True,
    )


def logits(model: Any) -> torch.Tensor:
    """Of TOKENS, on a machine without GPUs: what asks for one gets the CPU."""
    from megatron.core.tensor_parallel import random
    from megatron.core.transformer import dot_product_attention

    torch.cuda.current_device = lambda: torch.device("cpu")
    random.get_cuda_rng_tracker = lambda *_args, **_options: _Tracker()
    dot_product_attention.tensor_parallel.get_cuda_rng_tracker = random.get_cuda_rng_tracker
    length = TOKENS.shape[1]
    mask = torch.ones(1, 1, length, length).triu(1).bool()
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(TOKENS, torch.arange(length).expand(2, -1), mask)
    return found.detach()


def main() -> None:
    from megatron.core import parallel_state
    from megatron.core.enums import ModelType

    folder = Path(sys.argv[1])
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    model = build(parallel_state)
    rank = folder / "iter_0000005" / "mp_rank_00"
    rank.mkdir(parents=True)
    args = argparse.Namespace(
        num_layers=4,
        num_attention_heads=4,
        add_position_embedding=False,
        params_dtype=torch.float32,
        model_type=ModelType.encoder_or_decoder,
    )
    content = {
        "args": args,
        "checkpoint_version": 3.0,
        "iteration": 5,
        "model": model.state_dict_for_save_checkpoint(),
        "num_floating_point_operations_so_far": 1e9,
        "rng_state": [{"np_rng_state": np.random.get_state(), "torch_rng_state": torch.get_rng_state()}],
    }
    torch.save(content, rank / "model_optim_rng.pt")
    (folder / "latest_checkpointed_iteration.txt").write_text("5")
    torch.save(logits(model), folder / "logits.pt")


if __name__ == "__main__":
    main()
