"""Encodes the pieces of instruction prompts, each piece once."""

from __future__ import annotations

from itertools import accumulate, chain, compress, repeat
from typing import TYPE_CHECKING, List, NamedTuple, Sequence, Tuple

from backend.node.data.handlers.instruction_prompt import ASSISTANT
from backend.node.data.handlers.text_finder import TextFinder
from backend.node.data.ragged import Ragged, starts, weave

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.node.data.encoder import Encoder
    from backend.node.data.handlers.prompt_cuts import Cuts


class CutTalks(NamedTuple):
    """Conversations in pieces. `line`: two pieces an exchange, front and answer, of all conversations;
    `early`: the last piece of every sample that does not end its conversation; `exchanges`: how many each
    has; `odd`: whether a conversation holds something that pieces might not suit."""

    line: List[str]
    early: List[str]
    exchanges: List[int]
    odd: List[bool]

    def without_odd(self) -> CutTalks:
        """Only the conversations that pieces suit."""
        counts = [count for count, is_odd in zip(self.exchanges, self.odd) if not is_odd]
        line = self._even(self.line, [2 * count for count in self.exchanges])
        early = self._even(self.early, [max(0, count - 1) for count in self.exchanges])
        return CutTalks(line, early, counts, [False] * len(counts))

    def _even(self, pieces: Sequence[str], counts: Sequence[int]) -> List[str]:
        flags = chain.from_iterable(repeat(not is_odd, count) for is_odd, count in zip(self.odd, counts))
        return list(compress(pieces, flags))


class PieceEncoder:
    """Only for a tokenizer that suits `cuts`; `end` follows every sample."""

    def __init__(self, encoder: Encoder, cuts: Cuts, end: Sequence[int]) -> None:
        self._encoder = encoder
        self._cuts = cuts
        self._added = TextFinder(encoder.special_texts)
        self._heading = TextFinder([ASSISTANT])
        self._start = [*(encoder.before or []), *encoder.plain([cuts.start]).flat.tolist()]
        self._after = [*(encoder.after or []), *end]
        head = len(encoder.inner([cuts.head]).flat)
        # What a prompt has besides its line of pieces.
        self._around = len(self._start) + head + len(encoder.after or [])

    def cut(self, talks: Sequence[Sequence[Tuple[str, str]]]) -> CutTalks:
        """Cut conversations, each a list of (messages before an answer, answer)."""
        line: List[str] = []
        early: List[str] = []
        for talk in talks:
            count = len(talk)
            for number, (asked, answer) in enumerate(talk, 1):
                tail = self._cuts.tail(answer)
                if number < count:
                    early.append(tail)
                    tail += self._cuts.more
                line += (self._cuts.front(asked), tail)
        exchanges = list(map(len, talks))
        return CutTalks(line, early, exchanges, self._odd(line, exchanges))

    def _odd(self, line: Sequence[str], exchanges: Sequence[int]) -> List[bool]:
        """Conversations with an added token's text, or with the heading of an answer inside an answer."""
        found = self._added.search(line)
        headed = self._heading.search(line[1::2])
        if not any(found) and not any(headed):
            return [False] * len(exchanges)
        flags = [any(flags) for flags in zip(found[::2], found[1::2], headed)]
        ends = list(accumulate(exchanges))
        return [any(flags[end - count : end]) for end, count in zip(ends, exchanges)]

    def encode(self, cut: CutTalks) -> Tuple[Ragged, NDArray[np.int64]]:
        """The ids of every sample, and how many of them its prompt has: int64 [samples]."""
        import numpy as np

        line = self._encoder.inner(cut.line)
        fronts, answers = line.lengths[::2], line.lengths[1::2]
        count = len(fronts)
        exchanges = np.array(cut.exchanges, np.int64)
        ends = np.cumsum(fronts + answers)
        opened = np.repeat(starts(exchanges), exchanges)
        begins = (ends - fronts - answers)[opened]
        asked = ends - answers - begins
        if not cut.early:
            ids = weave(count, [self._start, Ragged(line.flat, fronts + answers), self._after])
            return ids, asked + self._around
        is_last = np.zeros(count, bool)
        is_last[np.cumsum(exchanges)[exchanges > 0] - 1] = True
        spoken = _slices(line.flat, begins, np.where(is_last, ends - begins, asked))
        early = self._encoder.inner(cut.early)
        lengths = np.zeros(count, np.int64)
        lengths[~is_last] = early.lengths
        ids = weave(count, [self._start, spoken, Ragged(early.flat, lengths), self._after])
        return ids, asked + self._around


def _slices(flat: NDArray[np.int32], begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> Ragged:
    """Parts of `flat`, which may overlap."""
    import numpy as np

    at = np.repeat(begins - starts(lengths), lengths)
    at += np.arange(len(at))
    return Ragged(flat[at], lengths)
