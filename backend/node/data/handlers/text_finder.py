"""Which of many texts hold one of some words, fast where hardly any does."""

from __future__ import annotations

import re
from typing import Collection, List, Sequence

_BLANK_MARK = "▁"
_HEAD_SIZES = (16, 8, 4, 2)
_FEW = 24


class TextFinder:
    """Looks for the texts of added tokens, also as a tokenizer sees them that writes blanks as ▁."""

    def __init__(self, words: Sequence[str]) -> None:
        forms = {form for word in words for form in (word, word.replace(_BLANK_MARK, " ")) if form}
        self._pattern = re.compile("|".join(map(re.escape, sorted(forms))))
        # A search for each of a few beginnings in all texts at once costs less than one pass of the pattern.
        self._heads = _heads(forms)

    def search(self, texts: Sequence[str]) -> List[bool]:
        """One flag a text: whether one of the words stands in it."""
        joined = "\n".join(texts)
        if not any(head in joined for head in self._heads):
            return [False] * len(texts)
        search = self._pattern.search
        return [search(text) is not None for text in texts]


def _heads(words: Collection[str]) -> List[str]:
    """The beginnings of words, as long as there are few different ones."""
    for size in _HEAD_SIZES:
        heads = {word[:size] for word in words}
        if len(heads) <= _FEW:
            return sorted(heads)
    return sorted({word[0] for word in words})
