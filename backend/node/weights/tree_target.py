"""A Megatron tree that will be written: the model, how it is cut, and in which form."""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional

from backend.node.weights.conversion_job import ConversionJob
from backend.node.weights.families import mapping
from backend.node.weights.layout import Layout, check_division, make_layout, pad_vocabulary, share
from backend.node.weights.model import Model
from backend.node.weights.rank_writer import Rank
from backend.node.weights.tree_args import tree_args
from backend.node.weights.tree_folder import rank_folder
from backend.node.weights.tree_plan import RankPlan, plan_rank


class Target(NamedTuple):
    """`format`: "legacy" or "mcore"; `dtype`: a key of arrays.STORAGE; `padded_vocab`: rows over all
    ranks."""

    model: Model
    layout: Layout
    format: str
    dtype: str
    padded_vocab: int
    make_vocab_size_divisible_by: int

    def plans(self) -> Dict[Rank, RankPlan]:
        """(TP rank, PP rank) to the plan of its file. Raises JobError."""
        return {
            (tp_rank, pp_rank): plan_rank(
                self.model, self.layout, self.format, self.dtype, self.padded_vocab, tp_rank, pp_rank
            )
            for pp_rank in range(self.layout.pp)
            for tp_rank in range(self.layout.tp)
        }

    def args(self, load: str, save: str) -> Dict[str, Any]:
        return tree_args(
            self.model,
            self.layout,
            self.format,
            self.dtype,
            self.padded_vocab,
            self.make_vocab_size_divisible_by,
            load,
            save,
        )


def target_of(job: ConversionJob, model: Model, tree_format: str, dtype: str) -> Target:
    """The tree that the job asks for, layout and vocabulary checked against the model. Raises JobError."""
    layout = make_layout(
        model.layers,
        job.tensor_parallel,
        job.pipeline_parallel,
        job.layers_per_stage,
        job.layers_per_virtual_stage,
    )
    check_division(model, layout.tp)
    divisible_by = job.make_vocab_size_divisible_by
    padded = pad_vocabulary(model.vocab, layout.tp, divisible_by, job.padded_vocab_size)
    return Target(model, layout, tree_format, dtype, padded, divisible_by)


def describe_ranks(plans: Dict[Rank, RankPlan]) -> List[Dict[str, Any]]:
    """Path, number of tensors and bytes of every rank file that would be written."""
    pp = 1 + max(pp_rank for _tp_rank, pp_rank in plans)
    return [
        {
            "path": os.path.basename(rank_folder("", 1, tp_rank, pp_rank, pp)),
            "tensors": len(plan.entries),
            "bytes": plan.nbytes,
        }
        for (tp_rank, pp_rank), plan in plans.items()
    ]


def new_rows(target: Target, part: str, rank: Rank) -> Optional[int]:
    """How many rows of a rank's piece are in no other piece; None for all of them."""
    tp_rank, pp_rank = rank
    cut = mapping.PARTS[part].cut
    if cut == mapping.COPY:
        return 0 if tp_rank else None
    if cut != mapping.VOCABULARY:
        return None
    # The last stage's copy of a tied embedding, and padding.
    start, _stop = share(target.padded_vocab, target.layout.tp, tp_rank)
    return 0 if part == "embedding" and pp_rank else max(0, target.model.vocab - start)
