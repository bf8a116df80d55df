"""Models of transformers: what comes back loads, answers the same logits and generates the same text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from random_llama import quiet, to_model_job, to_tree_job

from backend.node.weights import to_hf, to_megatron

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.torch

SIZES: dict[str, Any] = {
    "num_hidden_layers": 4,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 67,
    "max_position_embeddings": 64,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama2": ("Llama", {"num_key_value_heads": 4}),
    "llama3": ("Llama", {"num_key_value_heads": 2, "rope_theta": 500000.0}),
    "yi": ("Llama", {"num_key_value_heads": 2, "rope_theta": 5000000.0}),
    "qwen1.5": ("Qwen2", {"num_key_value_heads": 4}),
    "qwen2": ("Qwen2", {"num_key_value_heads": 2}),
    "qwen2-tied": ("Qwen2", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
}


def save_model(name: str, folder: Path) -> None:
    kind, changes = MODELS[name]
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **changes})
    torch.manual_seed(3)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).to(torch.bfloat16)
    for parameter in model.parameters():
        # Biases and norms too: their first values hide a part that was left out.
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)


def load(folder: Path) -> Any:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    assert model.dtype == torch.bfloat16
    return model


@pytest.mark.parametrize("tree_format", ["legacy", "mcore"])
@pytest.mark.parametrize("name", MODELS)
def test_logits_and_text_are_the_same(name: str, tree_format: str, tmp_path: Path) -> None:
    folder, tree, output = tmp_path / "hf", tmp_path / "tree", tmp_path / "back"
    save_model(name, folder)
    to_megatron.run(to_tree_job(folder, tree, format=tree_format), quiet)
    to_hf.run(to_model_job(tree, folder, output, max_shard_bytes=30000), quiet)
    # Both from files: casting a model in memory also casts its table of rotary frequencies.
    model, back = load(folder), load(output)
    tokens = torch.arange(40).reshape(2, 20) % SIZES["vocab_size"]
    with torch.no_grad():
        assert torch.equal(model(tokens).logits, back(tokens).logits)
        asked = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
        assert torch.equal(model.generate(tokens, **asked), back.generate(tokens, **asked))
