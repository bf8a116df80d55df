"""A small random Llama in Hugging Face form, with a tokenizer trained on the spot; and the recipe for it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backend.catalog.model import Architecture
from backend.demo.demo_layout import NPUS_PER_NODE, DemoLayout
from backend.recipes.fields import Recipe

if TYPE_CHECKING:
    import numpy

NAME = "demo-llama"
SEED = 1234
INIT_STD = 0.06
END_OF_TEXT = "<|endoftext|>"
# one million parameters: large enough to learn, small enough for four processes on a laptop
ARCHITECTURE = Architecture(
    family="llama2",
    layers=4,
    hidden=128,
    heads=4,
    kv_heads=2,
    head_dim=32,
    ffn=352,
    vocab=1024,
    rope_theta=10000.0,
    max_position=256,
    norm_eps=1e-5,
    hf_dtype="float32",
)


def write_tokenizer(texts: Sequence[str], folder: Path) -> None:
    """A byte-level BPE tokenizer of `ARCHITECTURE.vocab` entries: tokenizer.json, tokenizer_config.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=ARCHITECTURE.vocab,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "model_max_length": ARCHITECTURE.max_position,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def write_model(folder: Path) -> None:
    """config.json and model.safetensors: float32, seeded, the same on every machine."""
    from safetensors.numpy import save_file

    (folder / "config.json").write_text(json.dumps(_config(), indent=2) + "\n")
    save_file(dict(_tensors()), str(folder / "model.safetensors"), metadata={"format": "pt"})


def demo_recipe(layout: DemoLayout) -> Recipe:
    """Pretraining on two nodes; about 120 thousand tokens, a minute on a laptop."""
    return Recipe(
        model=NAME,
        run_type="pretrain",
        data_path=str(layout.data),
        hf_weights=str(layout.model),
        tensor_parallel=2,
        pipeline_parallel=2,
        nodes=2,
        npus_per_node=NPUS_PER_NODE,
        micro_batch_size=2,
        global_batch_size=8,
        seq_length=128,
        max_position_embeddings=ARCHITECTURE.max_position,
        lr=8e-3,
        min_lr=8e-4,
        train_iterations=160,
        warmup_fraction=0.05,
        save_interval=60,
        convert_to_hf=True,
        engine="native",
        architecture=ARCHITECTURE,
    )


def _config() -> dict[str, object]:
    """The keys of a transformers LlamaConfig."""
    model = dataclasses.asdict(ARCHITECTURE)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": model["vocab"],
        "hidden_size": model["hidden"],
        "intermediate_size": model["ffn"],
        "num_hidden_layers": model["layers"],
        "num_attention_heads": model["heads"],
        "num_key_value_heads": model["kv_heads"],
        "head_dim": model["head_dim"],
        "max_position_embeddings": model["max_position"],
        "rope_theta": model["rope_theta"],
        "rms_norm_eps": model["norm_eps"],
        "tie_word_embeddings": model["tie_embeddings"],
        "attention_bias": model["qkv_bias"],
        "mlp_bias": False,
        "hidden_act": "silu",
        "initializer_range": INIT_STD,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": model["hf_dtype"],
    }


def _tensors() -> Iterator[tuple[str, numpy.ndarray]]:
    """Names and shapes of transformers' LlamaForCausalLM: norms are ones, the rest normal."""
    import numpy as np

    random = np.random.default_rng(SEED)

    def normal(rows: int, columns: int) -> np.ndarray:
        return random.normal(0.0, INIT_STD, (rows, columns)).astype(np.float32)

    size = ARCHITECTURE
    queries, keys = size.heads * size.head_dim, size.kv_heads * size.head_dim
    yield "model.embed_tokens.weight", normal(size.vocab, size.hidden)
    for layer in range(size.layers):
        prefix = f"model.layers.{layer}"
        yield f"{prefix}.input_layernorm.weight", np.ones(size.hidden, np.float32)
        yield f"{prefix}.self_attn.q_proj.weight", normal(queries, size.hidden)
        yield f"{prefix}.self_attn.k_proj.weight", normal(keys, size.hidden)
        yield f"{prefix}.self_attn.v_proj.weight", normal(keys, size.hidden)
        yield f"{prefix}.self_attn.o_proj.weight", normal(size.hidden, queries)
        yield f"{prefix}.post_attention_layernorm.weight", np.ones(size.hidden, np.float32)
        yield f"{prefix}.mlp.gate_proj.weight", normal(size.ffn, size.hidden)
        yield f"{prefix}.mlp.up_proj.weight", normal(size.ffn, size.hidden)
        yield f"{prefix}.mlp.down_proj.weight", normal(size.hidden, size.ffn)
    yield "model.norm.weight", np.ones(size.hidden, np.float32)
    yield "lm_head.weight", normal(size.vocab, size.hidden)
