"""Work that all ranks begin with, and that none may fail alone: the others would wait for it for ever."""

from __future__ import annotations

from typing import Callable, TypeVar

import torch
import torch.distributed as dist

_Done = TypeVar("_Done")


class OtherRankFailed(Exception):
    """Another rank cannot go on, and says why: this one ends without a word."""


def on_all_ranks(work: Callable[[], _Done], device: torch.device) -> _Done:
    """What `work` answers, once it has on all ranks; it may not wait for other ranks itself.

    Raises what `work` raises on the ranks where it does, and OtherRankFailed on the others.
    """
    word = torch.zeros(1, dtype=torch.int32, device=device)
    try:
        done = work()
    except Exception:
        word += 1
        dist.all_reduce(word)
        raise
    dist.all_reduce(word)
    if word.item():
        raise OtherRankFailed
    return done


def from_first_rank(work: Callable[[], int], device: torch.device) -> int:
    """What `work` answers on rank 0, on all ranks. Raises as `on_all_ranks`."""
    word = torch.zeros(2, dtype=torch.int64, device=device)
    if dist.get_rank() == 0:
        try:
            word[1] = work()
        except Exception:
            word[0] = 1
            dist.broadcast(word, src=0)
            raise
    dist.broadcast(word, src=0)
    failed, answer = word.tolist()
    if failed:
        raise OtherRankFailed
    return int(answer)
