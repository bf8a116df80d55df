"""One pipeline stage of a Llama-like decoder. Parameter names are those of mcore checkpoints."""

from __future__ import annotations

from typing import Optional

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from backend.node.train.attention import Attention
from backend.node.train.grid import Grid
from backend.node.train.mlp import MLP
from backend.node.train.norm import RMSNorm
from backend.node.train.parallel_layers import ColumnParallelLinear, VocabParallelEmbedding
from backend.node.train.positions import Places, Positions
from backend.node.train.tensor_group import TensorRanks
from backend.node.weights.model import Model

EMBEDDING = "embedding.word_embeddings.weight"
HEAD = "output_layer.weight"


class Layer(nn.Module):
    """A decoder layer: attention and MLP, each behind a norm and beside a residual."""

    def __init__(self, shape: Model, ranks: TensorRanks) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden, shape.norm_eps)
        self.self_attention = Attention(shape, ranks)
        self.pre_mlp_layernorm = RMSNorm(shape.hidden, shape.norm_eps)
        self.mlp = MLP(shape, ranks)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        x = x + self.self_attention(self.input_layernorm(x), places)
        return x + self.mlp(self.pre_mlp_layernorm(x))


class _Embedding(nn.Module):
    def __init__(self, words: VocabParallelEmbedding) -> None:
        super().__init__()
        self.word_embeddings = words


class _Decoder(nn.Module):
    def __init__(self, shape: Model, layers: int, ranks: TensorRanks, final: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(shape, ranks) for _number in range(layers))
        self.final_layernorm = RMSNorm(shape.hidden, shape.norm_eps) if final else None


class Stage(nn.Module):
    """The layers of one pipeline stage on one tensor parallel rank; `grid` says which.

    The embedding and the head hold `vocab_rows` tokens from `first_row` on, padding included (any numbers on
    a stage in the middle). With `recomputes` the backward pass computes every layer anew from its input, and
    keeps nothing else of it. Parameters are born without memory.
    """

    def __init__(
        self,
        shape: Model,
        layers: int,
        first_row: int,
        vocab_rows: int,
        grid: Grid,
        ranks: TensorRanks,
        recomputes: bool = False,
    ) -> None:
        super().__init__()
        self.first_row = first_row
        self._ranks = ranks
        self._recomputes = recomputes
        self._has_unit_head = shape.table.unit_head
        self._positions = Positions(shape, ranks)
        self.decoder = _Decoder(shape, layers, ranks, grid.is_last_stage)
        self.embedding: Optional[_Embedding] = None
        self.output_layer: Optional[ColumnParallelLinear] = None
        if grid.is_first_stage:
            self.embedding = _Embedding(VocabParallelEmbedding(vocab_rows, shape.hidden, first_row, ranks))
        if grid.is_last_stage and not (shape.tie_embeddings and grid.is_first_stage):
            self.output_layer = ColumnParallelLinear(shape.hidden, vocab_rows, ranks)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (first stage, int64 [batch, seq]) or hidden states -> hidden states [batch, seq, hidden],
        with sequence parallel [batch, seq / TP, hidden].

        On the last stage: this rank's logits [batch, seq, vocab_rows].
        """
        if self.embedding is not None:
            x = self.embedding.word_embeddings(x)
        places = self._positions.places(self._ranks.whole_length(x), x.dtype, x.device)
        for layer in self.decoder.layers:
            if self._recomputes:
                # Nothing in a layer is random: there is no generator to set back.
                x = checkpoint(layer, x, places, use_reentrant=False, preserve_rng_state=False)
            else:
                x = layer(x, places)
        if self.decoder.final_layernorm is None:
            return x
        return self._logits(self.decoder.final_layernorm(x))

    def _logits(self, x: Tensor) -> Tensor:
        head = self._head()
        if self._has_unit_head:
            head = F.normalize(head, dim=-1)
        return F.linear(self._ranks.enter(x), head)

    def _head(self) -> Tensor:
        if self.output_layer is not None:
            return self.output_layer.weight
        assert self.embedding is not None, "tied embeddings of one stage"
        return self.embedding.word_embeddings.weight
