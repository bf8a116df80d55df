"""The special tokens that a tokenizer puts around every text, found by looking at what it does."""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

# Texts on which they must be the same ones.
_PROBES = ("x", "", " a b\n", "\n\nÄ", "中文。", "1 <s> </s>")

Frame = Tuple[Optional[List[int]], Optional[List[int]]]


def frame_of(full: Callable[[str], List[int]], plain: Callable[[str], List[int]]) -> Frame:
    """The ids before and after every text, (None, None) where they depend on the text. `full` and `plain`:
    ids of a text with special tokens and without."""
    seen = [(full(text), plain(text)) for text in _PROBES]
    whole, bare = seen[0]
    for cut in range(len(whole) - len(bare) + 1):
        before, after = whole[:cut], whole[cut + len(bare) :]
        if all(ids == [*before, *inside, *after] for ids, inside in seen):
            return before, after
    return None, None
