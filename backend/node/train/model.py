"""One pipeline stage of a Llama-like decoder. Parameter names are those of mcore checkpoints."""

from __future__ import annotations

from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.node.train.grid import Grid
from backend.node.train.parallel_layers import (
    ColumnParallelLinear,
    RowParallelLinear,
    VocabParallelEmbedding,
    empty_parameter,
)
from backend.node.train.tensor_group import Group, copy_to_group
from backend.node.weights.model import Model as ModelShape

EMBEDDING = "embedding.word_embeddings.weight"
HEAD = "output_layer.weight"
Rotation = Tuple[Tensor, Tensor]


class RMSNorm(nn.Module):
    """Root mean square norm over the last dimension; the weight is whole on every rank."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = empty_parameter(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class Rotary:
    """Tables of the rotary embedding, in halves as Hugging Face's Llama has them."""

    def __init__(self, head_dim: int, theta: float) -> None:
        self.head_dim = head_dim
        self.theta = theta
        self._tables: Optional[Rotation] = None

    def tables(self, x: Tensor) -> Rotation:
        """cos and sin, [seq, head_dim] in the dtype of `x` ([batch, seq, ...]); kept for the next call."""
        kept = self._tables
        if kept is None or kept[0].shape[0] != x.shape[1] or kept[0].dtype != x.dtype:
            places = torch.arange(x.shape[1], dtype=torch.float32, device=x.device)
            exponents = torch.arange(0, self.head_dim, 2, dtype=torch.float32, device=x.device)
            half = torch.outer(places, self.theta ** (-exponents / self.head_dim))
            angles = torch.cat((half, half), -1)
            kept = self._tables = (angles.cos().to(x.dtype), angles.sin().to(x.dtype))
        return kept


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn queries or keys [batch, heads, seq, head_dim] by their place."""
    cos, sin = rotation
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat((-right, left), -1) * sin


class Attention(nn.Module):
    """Causal attention with grouped queries. linear_qkv has per key group its queries, its key, its value."""

    def __init__(self, shape: ModelShape, tp: int, group: Group) -> None:
        super().__init__()
        self.head_dim = shape.head_dim
        self.groups = shape.kv_heads // tp
        self.queries = shape.heads // shape.kv_heads
        inner = self.groups * self.queries * self.head_dim
        rows = self.groups * (self.queries + 2) * self.head_dim
        self.linear_qkv = ColumnParallelLinear(shape.hidden, rows, group, bias=shape.qkv_bias)
        self.linear_proj = RowParallelLinear(inner, shape.hidden, group)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        batch, seq, _hidden = x.shape
        mixed = self.linear_qkv(x).view(batch, seq, self.groups, self.queries + 2, self.head_dim)
        queries = mixed[..., : self.queries, :].reshape(batch, seq, -1, self.head_dim).transpose(1, 2)
        keys = mixed[..., self.queries, :].transpose(1, 2)
        values = mixed[..., self.queries + 1, :].transpose(1, 2)
        seen = F.scaled_dot_product_attention(
            rotate(queries, rotation),
            rotate(keys, rotation),
            values,
            is_causal=True,
            enable_gqa=self.queries > 1,
        )
        return self.linear_proj(seen.transpose(1, 2).reshape(batch, seq, -1))


class MLP(nn.Module):
    """SwiGLU; each rank's linear_fc1 is its part of gate stacked over its part of up."""

    def __init__(self, shape: ModelShape, tp: int, group: Group) -> None:
        super().__init__()
        width = shape.ffn // tp
        self.linear_fc1 = ColumnParallelLinear(shape.hidden, 2 * width, group)
        self.linear_fc2 = RowParallelLinear(width, shape.hidden, group)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.linear_fc1(x).chunk(2, -1)
        return self.linear_fc2(F.silu(gate) * up)


class Layer(nn.Module):
    """A decoder layer: attention and MLP, each behind a norm and beside a residual."""

    def __init__(self, shape: ModelShape, tp: int, group: Group) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden, shape.norm_eps)
        self.self_attention = Attention(shape, tp, group)
        self.pre_mlp_layernorm = RMSNorm(shape.hidden, shape.norm_eps)
        self.mlp = MLP(shape, tp, group)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        x = x + self.self_attention(self.input_layernorm(x), rotation)
        return x + self.mlp(self.pre_mlp_layernorm(x))


class _Embedding(nn.Module):
    def __init__(self, words: VocabParallelEmbedding) -> None:
        super().__init__()
        self.word_embeddings = words


class _Decoder(nn.Module):
    def __init__(self, shape: ModelShape, layers: int, tp: int, group: Group, final: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(shape, tp, group) for _number in range(layers))
        self.final_layernorm = RMSNorm(shape.hidden, shape.norm_eps) if final else None


class Stage(nn.Module):
    """The layers of one pipeline stage on one tensor parallel rank.

    `vocab_rows` is the number of local rows of the embedding and the head, padding included (any number on a
    stage in the middle). Parameters are born without memory.
    """

    def __init__(self, shape: ModelShape, layers: int, vocab_rows: int, grid: Grid, group: Group) -> None:
        super().__init__()
        self.group = group
        self.first_row = grid.tp_rank * vocab_rows
        self.rotary = Rotary(shape.head_dim, shape.rope_theta)
        self.decoder = _Decoder(shape, layers, grid.tp, group, grid.is_last_stage)
        self.embedding: Optional[_Embedding] = None
        self.output_layer: Optional[ColumnParallelLinear] = None
        if grid.is_first_stage:
            words = VocabParallelEmbedding(vocab_rows, shape.hidden, self.first_row, group)
            self.embedding = _Embedding(words)
        if grid.is_last_stage and not (shape.tie_embeddings and grid.is_first_stage):
            self.output_layer = ColumnParallelLinear(shape.hidden, vocab_rows, group)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (first stage, int64 [batch, seq]) or hidden states -> hidden states [batch, seq, hidden].

        On the last stage: this rank's logits [batch, seq, vocab_rows].
        """
        if self.embedding is not None:
            x = self.embedding.word_embeddings(x)
        rotation = self.rotary.tables(x)
        for layer in self.decoder.layers:
            x = layer(x, rotation)
        if self.decoder.final_layernorm is None:
            return x
        x = self.decoder.final_layernorm(x)
        if self.output_layer is not None:
            return self.output_layer(x)
        assert self.embedding is not None, "tied embeddings of one stage"
        return F.linear(copy_to_group(x, self.group), self.embedding.word_embeddings.weight)
