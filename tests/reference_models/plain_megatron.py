"""A Megatron tree put together and run as plain arithmetic: what its tensors mean, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, normalize

from backend.node.weights.safe_load import load_tensors
from tests.reference_models.plain_baichuan import ROTARY_BASE, alibi_bias, has_alibi
from tests.reference_models.plain_parts import (
    causal_attention,
    gated,
    rms_norm,
    rotary_table,
    turn_halves,
    turn_neighbours,
)

# Names of the legacy format, in words of mcore.
_LEGACY = (
    ("language_model.embedding.", "embedding."),
    ("language_model.encoder.final_norm.", "decoder.final_layernorm."),
    ("language_model.encoder.", "decoder."),
    ("language_model.output_layer.", "output_layer."),
    (".input_norm.", ".input_layernorm."),
    (".post_attention_norm.", ".pre_mlp_layernorm."),
    (".query_key_value.", ".linear_qkv."),
    (".self_attention.dense.", ".self_attention.linear_proj."),
    (".dense_h_to_4h.", ".linear_fc1."),
    (".dense_4h_to_h.", ".linear_fc2."),
)


def whole_weights(iteration: Path) -> dict[str, Tensor]:
    """All ranks of a folder `iter_…` as one flat dict of mcore names with global layer numbers.

    Trees without virtual pipeline and with a head of their own only.
    """
    stages: dict[str, list[dict[str, Tensor]]] = {}
    for path in sorted(iteration.glob("mp_rank_*/model_optim_rng.pt")):
        # mp_rank_TT or mp_rank_TT_PPP
        stage = path.parent.name[len("mp_rank_TT") :]
        rank = load_tensors(str(path))["model"]
        stages.setdefault(stage, []).append(dict(_flat(rank)))
    found: dict[str, Tensor] = {}
    first_layer = 0
    for stage in sorted(stages):
        ranks, local_layers = stages[stage], set()
        for name in ranks[0]:
            start, layer, rest = _split_name(name)
            local_layers |= {layer} - {None}
            key = name if layer is None else f"{start}{layer + first_layer}{rest}"
            found[key] = _joined(name, [rank[name] for rank in ranks])
        first_layer += len(local_layers)
    return found


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Tensor]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        elif isinstance(value, Tensor):
            name = above + key
            for old, new in _LEGACY:
                name = name.replace(old, new)
            yield name, value


def _split_name(name: str) -> tuple[str, int | None, str]:
    start = "decoder.layers."
    if not name.startswith(start):
        return name, None, ""
    number, dot, rest = name[len(start) :].partition(".")
    return start, int(number), dot + rest


def _joined(name: str, pieces: list[Tensor]) -> Tensor:
    """The ranks' pieces as one tensor: gate over up in fc1, as in a piece."""
    if "norm" in name:
        assert all(torch.equal(piece, pieces[0]) for piece in pieces)
        return pieces[0]
    if "linear_fc1" in name:
        halves = [piece.chunk(2) for piece in pieces]
        return torch.cat([half[0] for half in halves] + [half[1] for half in halves])
    return torch.cat(pieces, dim=1 if "linear_proj" in name or "linear_fc2" in name else 0)


class _Decoder(NamedTuple):
    """What the tensors do not say: training takes it from its arguments."""

    layers: int
    heads: int
    groups: int
    vocab: int
    eps: float
    turn: Callable[[Tensor], Tensor]
    bias: Tensor | None
    unit_head: bool


def logits(config: Mapping[str, Any], whole: Mapping[str, Tensor], ids: Tensor) -> Tensor:
    """`ids` [batch, seq] (int64) to [batch, seq, vocab] in the dtype of `whole` (see `whole_weights`).

    `config` is the config.json of the model that the tree was made from; rows of padding are cut off.
    """
    x = whole["embedding.word_embeddings.weight"][ids]
    decoder = _decoder_of(config, ids.shape[1], x.dtype)
    for layer in range(decoder.layers):
        name = f"decoder.layers.{layer}."
        normed = rms_norm(x, whole[name + "input_layernorm.weight"], decoder.eps)
        x = x + _attention(decoder, whole, name + "self_attention.", normed)
        normed = rms_norm(x, whole[name + "pre_mlp_layernorm.weight"], decoder.eps)
        gate, up = linear(normed, whole[name + "mlp.linear_fc1.weight"]).chunk(2, dim=-1)
        x = x + linear(gated(gate, up), whole[name + "mlp.linear_fc2.weight"])
    x = rms_norm(x, whole["decoder.final_layernorm.weight"], decoder.eps)
    head = whole["output_layer.weight"][: decoder.vocab]
    return linear(x, normalize(head, dim=-1) if decoder.unit_head else head)


def _attention(decoder: _Decoder, whole: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Every group's rows are those of its query heads, its key and its value."""
    merged = linear(x, whole[name + "linear_qkv.weight"], whole.get(name + "linear_qkv.bias"))
    queries = decoder.heads // decoder.groups
    # [batch, seq, groups, queries + 2, width] with the groups before the positions
    grouped = merged.reshape(*merged.shape[:-1], decoder.groups, queries + 2, -1).transpose(1, 2)
    q = grouped[..., :queries, :].transpose(2, 3).flatten(1, 2)
    k, v = grouped[..., queries, :], grouped[..., queries + 1, :]
    attended = causal_attention(decoder.turn(q), decoder.turn(k), v, decoder.bias)
    return linear(attended, whole[name + "linear_proj.weight"])


def _decoder_of(config: Mapping[str, Any], length: int, dtype: torch.dtype) -> _Decoder:
    heads = config["num_attention_heads"]
    if config["model_type"] == "chatglm":
        half = config["kv_channels"] // 2
        table = rotary_table(length, half, 10000.0 * config.get("rope_ratio", 1), dtype)

        def turn(x: Tensor) -> Tensor:
            return torch.cat([turn_neighbours(x[..., :half], table), x[..., half:]], dim=-1)

        groups, vocab = config["multi_query_group_num"], config["padded_vocab_size"]
        layers, eps = config["num_layers"], config["layernorm_epsilon"]
        return _Decoder(layers, heads, groups, vocab, eps, turn, None, unit_head=False)
    layers, vocab = config["num_hidden_layers"], config["vocab_size"]
    is_qwen = config["model_type"] == "qwen"
    base = config["rotary_emb_base"] if is_qwen else ROTARY_BASE
    eps = config["layer_norm_epsilon"] if is_qwen else config["rms_norm_eps"]
    if not is_qwen and has_alibi(config):
        bias = alibi_bias(heads, length, dtype)
        return _Decoder(layers, heads, heads, vocab, eps, lambda x: x, bias, unit_head=True)
    table = rotary_table(length, config["hidden_size"] // heads, base, dtype)
    return _Decoder(
        layers, heads, heads, vocab, eps, lambda x: turn_halves(x, table), None, unit_head=not is_qwen
    )
