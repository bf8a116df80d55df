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
        local = labels - first_row
        rows = logits.shape[-1]
        elsewhere = (local < 0) | (local >= rows)
        local = local.masked_fill(elsewhere, 0)[..., None]
        scores = _without_padding(logits.detach(), vocab - first_row)
        wanted = scores.gather(-1, local)[..., 0].float().masked_fill(elsewhere, 0.0)
        shares = torch.softmax(scores, -1, dtype=torch.float32)
        # The highest score has the share 1 / sum.
        own = scores.amax(-1).float() - shares.amax(-1).log()
        total, wanted = _over_all(own, wanted, group)
        counted = labels != IGNORED
        count = counted.sum().clamp_(min=1)
        # This rank's shares of its own tokens -> its probabilities among all tokens.
        ctx.weight = (own - total).exp_().mul_(counted) / count
        ctx.shares, ctx.local, ctx.taken = shares, local, (counted & ~elsewhere) / count
        ctx.dtype = logits.dtype
        return (total - wanted).masked_fill_(~counted, 0.0).sum() / count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, None, None, None, None]:
        slope = ctx.shares.mul_((ctx.weight * gradient)[..., None])
        slope.scatter_add_(-1, ctx.local, (ctx.taken * -gradient)[..., None])
        return slope.to(ctx.dtype), None, None, None, None


def vocab_parallel_loss(logits: Tensor, labels: Tensor, first_row: int, vocab: int, group: Group) -> Tensor:
    """Mean cross entropy in fp32, the same on every rank of `group`; can be differentiated once.

    `logits` [batch, seq, local rows] of the tokens from `first_row` on, `labels` int64 [batch, seq] of global
    token ids, or IGNORED: the mean is over the others, and 0 where there are none. Rows of tokens >= `vocab`
    are padding and get no probability.
    """
    loss: Tensor = _VocabParallelLoss.apply(logits, labels, first_row, vocab, group)
    return loss


def _without_padding(logits: Tensor, real_rows: int) -> Tensor:
    """Padding rows only make the table divisible: no token stands behind them.

    A number, not minus infinity: a rank may have nothing but padding.
    """
    if real_rows >= logits.shape[-1]:
        return logits
    scores = logits.clone()
    scores[..., max(real_rows, 0) :] = torch.finfo(scores.dtype).min
    return scores


def _over_all(own: Tensor, wanted: Tensor, group: Group) -> Tuple[Tensor, Tensor]:
    """The logarithm of the sum of exp(scores) over all ranks, from that of each; and the wanted scores."""
    if group is None:
        return own, wanted
    highest = own.clone()
    dist.all_reduce(highest, op=dist.ReduceOp.MAX, group=group)
    sums = torch.stack(((own - highest).exp_(), wanted))
    dist.all_reduce(sums, group=group)
    return highest + sums[0].log(), sums[1]
