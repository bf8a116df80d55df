"""A tiny Hugging Face folder of every family, the logits of its own code, and its training job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from native_cases import tiny_job
from safetensors.torch import save_file

from backend.node.weights import to_megatron
from backend.node.weights.model import Model
from backend.node.weights.model_config import read_model

SIZES: dict[str, Any] = {
    "num_hidden_layers": 4,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 67,
    "max_position_embeddings": 64,
}
# Families whose own code is in transformers: the class, and what a config says besides.
NATIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "llama2": ("Llama", {"num_key_value_heads": 4, "rms_norm_eps": 1e-5}),
    "llama3": ("Llama", {"num_key_value_heads": 2, "rope_theta": 500000.0}),
    "yi": ("Llama", {"num_key_value_heads": 2, "rope_theta": 5000000.0}),
    "qwen1.5": ("Qwen2", {"num_key_value_heads": 4, "sliding_window": 32768}),
    "qwen2": ("Qwen2", {"num_key_value_heads": 2}),
    "qwen2-tied": ("Qwen2", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
}
# Families whose code comes with their weights: names of tests.reference_models.plain_models.TINY.
PLAIN = (
    "qwen",
    "chatglm3",
    "chatglm3-wide-heads",
    "glm4-chat",
    "baichuan2-rotary",
    "baichuan2-alibi",
    "baichuan2-alibi-power-of-two",
)
# Those with a twin in transformers that takes their tensors as they are.
TWINS = ("chatglm3", "glm4-chat")
_ARCHITECTURE = [name for name in Model._fields if name not in Model._field_defaults]


def write_model(name: str, folder: Path, ids: Any) -> Any:
    """The folder of the model `name`, fp32; its logits for `ids` [batch, seq] by an implementation that is
    not npudeck's: [batch, seq, vocab]."""
    return _write_native(name, folder, ids) if name in NATIVE else _write_plain(name, folder, ids)


def _write_native(name: str, folder: Path, ids: Any) -> Any:
    import torch
    import transformers

    kind, changes = NATIVE[name]
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **changes})
    torch.manual_seed(3)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).float().eval()
    for key, parameter in model.named_parameters():
        # Biases and norms too: their first values hide a part that was left out.
        torch.nn.init.normal_(parameter, mean=1.0 if "norm" in key else 0.0, std=0.2)
    model.save_pretrained(folder)
    with torch.no_grad():
        return model(ids).logits


def _write_plain(name: str, folder: Path, ids: Any) -> Any:
    import torch

    from tests.reference_models import native_twins
    from tests.reference_models.plain_models import TINY, logits, random_weights

    config = {**TINY[name], "torch_dtype": "float32"}
    weights = random_weights(config, torch.float32)
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    with torch.no_grad():
        return (
            native_twins.glm_of(config, weights)(ids).logits
            if name in TWINS
            else logits(config, weights, ids)
        )


def converted_job(folder: Path, name: str, tp: int = 1, pp: int = 1, **changes: Any) -> dict[str, Any]:
    """The job that trains the model in `folder`/`name`, its weights converted for the layout."""
    source = folder / name
    model = read_model(json.loads((source / "config.json").read_text()))
    architecture = {key: getattr(model, key) for key in _ARCHITECTURE}
    tree = folder / f"{name}-tree-{tp}-{pp}"
    changes = {"load_directory": str(tree), "architecture": architecture, **changes}
    job = tiny_job(folder, tp, pp, **changes)
    to_megatron.run(
        {
            "hf_directory": str(source),
            "output_directory": str(tree),
            "tensor_parallel": tp,
            "pipeline_parallel": pp,
            "format": "mcore",
            "dtype": "fp32",
        },
        lambda _progress: None,
    )
    return job
