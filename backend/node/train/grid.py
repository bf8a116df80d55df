"""Which rank sits where, in Megatron's order: tensor parallel neighbours first, then data, then pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List


@dataclass(frozen=True)
class Grid:
    """The whole layout seen from one rank. Global rank = tp_rank + TP * (dp_rank + DP * pp_rank)."""

    rank: int
    tp: int
    pp: int
    dp: int

    @property
    def world_size(self) -> int:
        return self.tp * self.pp * self.dp

    @property
    def tp_rank(self) -> int:
        return self.rank % self.tp

    @property
    def dp_rank(self) -> int:
        return self.rank // self.tp % self.dp

    @property
    def pp_rank(self) -> int:
        return self.rank // (self.tp * self.dp)

    @property
    def is_first_stage(self) -> bool:
        return self.pp_rank == 0

    @property
    def is_last_stage(self) -> bool:
        return self.pp_rank == self.pp - 1

    @property
    def is_global_last(self) -> bool:
        """The rank that prints the iteration lines."""
        return self.rank == self.world_size - 1

    def rank_at(self, tp_rank: int, dp_rank: int, pp_rank: int) -> int:
        return tp_rank + self.tp * (dp_rank + self.dp * pp_rank)

    def tensor_groups(self) -> List[List[int]]:
        return [
            [self.rank_at(tp, dp, pp) for tp in range(self.tp)]
            for pp in range(self.pp)
            for dp in range(self.dp)
        ]

    def data_groups(self) -> List[List[int]]:
        return [
            [self.rank_at(tp, dp, pp) for dp in range(self.dp)]
            for pp in range(self.pp)
            for tp in range(self.tp)
        ]

    def pipeline_groups(self) -> List[List[int]]:
        """The ranks of all stages with the same place in them, first stage first."""
        return [
            [self.rank_at(tp, dp, pp) for pp in range(self.pp)]
            for dp in range(self.dp)
            for tp in range(self.tp)
        ]

    def embedding_groups(self) -> List[List[int]]:
        """First and last stage, which share tied embeddings; single ranks when there is one stage."""
        ends = sorted({0, self.pp - 1})
        return [[self.rank_at(tp, dp, pp) for pp in ends] for dp in range(self.dp) for tp in range(self.tp)]
