"""Generated Llama models in Hugging Face's form: random ones, and ones of holes that take no room on disk;
adapters of holes for them in PEFT's form.

usage: _weights_model.py random|holes|adapter FOLDER SHAPE LAYERS

Written without any library for tensors, so that nothing of what is measured makes its own input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

SEED = 1
_ITEM_BYTES = 2
_PIECE = 1 << 22
# hidden, ffn, heads, kv heads, vocabulary
SHAPES = {"1b": (2048, 5504, 16, 16, 32_000), "70b": (8192, 28_672, 64, 8, 32_000)}
_LARGEST_FILE = 5 * 10**9
_RANK = 16


def config(shape: str, layers: int) -> dict[str, object]:
    hidden, ffn, heads, kv_heads, vocabulary = SHAPES[shape]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }


def tensors(shape: str, layers: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, ffn, heads, kv_heads, vocabulary = SHAPES[shape]
    kv = hidden // heads * kv_heads
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for layer in range(layers):
        name = f"model.layers.{layer}."
        for key, rows, columns in (
            ("self_attn.q_proj", hidden, hidden),
            ("self_attn.k_proj", kv, hidden),
            ("self_attn.v_proj", kv, hidden),
            ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", ffn, hidden),
            ("mlp.up_proj", ffn, hidden),
            ("mlp.down_proj", hidden, ffn),
        ):
            yield f"{name}{key}.weight", (rows, columns)
        yield name + "input_layernorm.weight", (hidden,)
        yield name + "post_attention_layernorm.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (vocabulary, hidden)


def total_bytes(shape: str, layers: int) -> int:
    return sum(_nbytes(sizes) for _name, sizes in tensors(shape, layers))


def _nbytes(sizes: tuple[int, ...]) -> int:
    nbytes = _ITEM_BYTES
    for size in sizes:
        nbytes *= size
    return nbytes


def make(folder: Path, shape: str, layers: int, *, holes: bool) -> None:
    """config.json, shards and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(shape, layers)), encoding="utf-8")
    # a small one has two files as well
    limit = min(_LARGEST_FILE, total_bytes(shape, layers) * 3 // 5)
    groups: list[list[tuple[str, tuple[int, ...]]]] = [[]]
    size = 0
    for name, sizes in tensors(shape, layers):
        if groups[-1] and size + _nbytes(sizes) > limit:
            groups.append([])
            size = 0
        groups[-1].append((name, sizes))
        size += _nbytes(sizes)
    files = {}
    for number, group in enumerate(groups, start=1):
        file = f"model-{number:05}-of-{len(groups):05}.safetensors"
        _write_file(folder / file, group, seed=None if holes else SEED + number)
        files.update({name: file for name, _sizes in group})
    index = {"metadata": {"total_size": total_bytes(shape, layers)}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def make_adapter(folder: Path, shape: str, layers: int) -> None:
    """Over every linear layer."""
    folder.mkdir(parents=True, exist_ok=True)
    group: list[tuple[str, tuple[int, ...]]] = []
    for name, sizes in tensors(shape, layers):
        if name.endswith("_proj.weight"):
            module = "base_model.model." + name.removesuffix(".weight")
            group.append((f"{module}.lora_A.weight", (_RANK, sizes[1])))
            group.append((f"{module}.lora_B.weight", (sizes[0], _RANK)))
    _write_file(folder / "adapter_model.safetensors", group, seed=None)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = {"peft_type": "LORA", "r": _RANK, "lora_alpha": 2 * _RANK, "target_modules": targets}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")


def _write_file(path: Path, group: list[tuple[str, tuple[int, ...]]], seed: int | None) -> None:
    """`seed` None: nothing but holes after the header."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, sizes in group:
        start, end = end, end + _nbytes(sizes)
        header[name] = {"dtype": "BF16", "shape": sizes, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        if seed is None:
            stream.truncate(8 + len(text) + end)
            return
        for piece in _values(end // _ITEM_BYTES, seed):
            stream.write(piece)


def _values(count: int, seed: int) -> Iterator[bytes]:
    """bf16 between 1/128 and 1/32, of both signs: nothing that a cast could lose, nor compress."""
    import numpy

    draw = numpy.random.default_rng(seed)
    while count:
        piece = min(count, _PIECE)
        bits = draw.integers(0, 1 << 16, piece, dtype=numpy.uint16)
        yield (bits & 0x80FF | 0x3C00).astype("<u2").tobytes()
        count -= piece


if __name__ == "__main__":
    kind, where, wanted_shape, wanted_layers = sys.argv[1:]
    if kind == "adapter":
        make_adapter(Path(where), wanted_shape, int(wanted_layers))
    else:
        make(Path(where), wanted_shape, int(wanted_layers), holes=kind == "holes")
