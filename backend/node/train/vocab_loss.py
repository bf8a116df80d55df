"""Cross entropy over a vocabulary whose logits are spread over the tensor parallel ranks, never gathered."""

from __future__ import annotations

from typing import Any, Tuple

import torch
import torch.distributed as dist
from torch import Tensor

from backend.node.train.micro_batch import IGNORED
from backend.node.train.tensor_group import Group


class _VocabParallelLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, first_row: int, vocab: int, group: Group) -> Tensor:
        scores = logits.detach().to(torch.float32, copy=True)
        rows = scores.shape[-1]
        real_rows = min(max(vocab - first_row, 0), rows)
        # Padding rows only make the table divisible: no token stands behind them.
        scores[..., real_rows:] = float("-inf")
        highest = scores.amax(-1)
        if group is not None:
            dist.all_reduce(highest, op=dist.ReduceOp.MAX, group=group)
        scores -= highest[..., None]
        local = labels - first_row
        elsewhere = (local < 0) | (local >= rows)
        local = local.masked_fill(elsewhere, 0)[..., None]
        wanted = scores.gather(-1, local)[..., 0].masked_fill(elsewhere, 0.0)
        scores.exp_()
        sums = torch.stack((scores.sum(-1), wanted))
        if group is not None:
            dist.all_reduce(sums, group=group)
        total, wanted = sums[0], sums[1]
        ctx.probabilities = scores.div_(total[..., None])
        counted = labels != IGNORED
        count = counted.sum().clamp_(min=1)
        ctx.local, ctx.here, ctx.counted, ctx.count = local, ~elsewhere, counted, count
        ctx.dtype = logits.dtype
        return (total.log() - wanted).masked_fill_(~counted, 0.0).sum() / count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, None, None, None, None]:
        slope = ctx.probabilities
        slope.scatter_add_(-1, ctx.local, -ctx.here.to(slope.dtype)[..., None])
        slope *= (ctx.counted * (gradient / ctx.count))[..., None]
        return slope.to(ctx.dtype), None, None, None, None


def vocab_parallel_loss(logits: Tensor, labels: Tensor, first_row: int, vocab: int, group: Group) -> Tensor:
    """Mean cross entropy in fp32, the same on every rank of `group`; can be differentiated once.

    `logits` [batch, seq, local rows] of the tokens from `first_row` on, `labels` int64 [batch, seq] of global
    token ids, or IGNORED: the mean is over the others, and 0 where there are none. Rows of tokens >= `vocab`
    are padding and get no probability.
    """
    loss: Tensor = _VocabParallelLoss.apply(logits, labels, first_row, vocab, group)
    return loss
