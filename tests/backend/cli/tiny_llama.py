"""A Llama of a few thousand values in Hugging Face's form, made without any library."""

from __future__ import annotations

import json
import random
from pathlib import Path

HIDDEN, FFN, HEADS, KV_HEADS, LAYERS, VOCAB = 32, 64, 4, 2, 2, 67
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": FFN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "vocab_size": VOCAB,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def shapes() -> dict[str, tuple[int, ...]]:
    kv = HIDDEN // HEADS * KV_HEADS
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        found[name + "input_layernorm.weight"] = (HIDDEN,)
        found[name + "post_attention_layernorm.weight"] = (HIDDEN,)
        for key, rows in (("q", HIDDEN), ("k", kv), ("v", kv), ("o", HIDDEN)):
            found[f"{name}self_attn.{key}_proj.weight"] = (rows, HIDDEN)
        found[name + "mlp.gate_proj.weight"] = (FFN, HIDDEN)
        found[name + "mlp.up_proj.weight"] = (FFN, HIDDEN)
        found[name + "mlp.down_proj.weight"] = (HIDDEN, FFN)
    return {**found, "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN)}


def make(folder: Path, *, seed: int = 1, without: str = "", nan: bool = False) -> Path:
    """config.json, a tokenizer's config, model.safetensors (bf16). `without`: a tensor that is not there;
    `nan`: the first value is none."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    draw = random.Random(seed)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, shape in shapes().items():
        if name == without:
            continue
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        # both signs, 1/128 to 1/32
        values = b"".join(
            (draw.getrandbits(16) & 0x80FF | 0x3C00).to_bytes(2, "little") for _value in range(count)
        )
        if nan and not data:
            values = b"\xc0\x7f" + values[2:]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    return folder


def tensors(path: Path) -> dict[str, bytes]:
    """Raw bytes by name of a .safetensors file."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        start, end = (8 + size + offset for offset in about["data_offsets"])
        found[name] = content[start:end]
    return found
