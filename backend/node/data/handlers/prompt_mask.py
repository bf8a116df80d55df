"""Ids of instruction prompts, and how many ids of each belong to the question, mostly from one encoding.

The reference encodes every sample twice: whole, and up to the last answer. Where the tokenizer lets a text be
cut, each piece is encoded once; this is tried on awkward texts first, and texts that it might not suit are
encoded twice."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Sequence, Tuple

from backend.node.data.handlers.frame import full
from backend.node.data.handlers.handler import IGNORED
from backend.node.data.handlers.instruction_prompt import (
    assistant_message,
    prompt_of,
    user_message,
    whole_text,
)
from backend.node.data.handlers.piece_encoder import PieceEncoder
from backend.node.data.handlers.prompt_cuts import cuts_for
from backend.node.data.ragged import Ragged, weave

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.node.data.encoder import Encoder

# The messages before an answer as one text, and the words of the answer.
Exchange = Tuple[str, str]

_QUESTIONS = ("a\n", " b c\n\n", "\n  x ", "é\nß", "1.\n9 ", "", "#\t#", "中文。\n", "\r\n", "a\u0301 ...\n")
_ANSWERS = ("yes", "\n", "", " \n\n z", "\r\n", "..", "é", "1", "\t", "\u0301", "#", "：答 ", "\x00")


class Masked(NamedTuple):
    """Samples: `ids`, and how many labels at the start of each are left out: int64 [samples]. That may be
    more than the sample has ids."""

    ids: Ragged
    hidden: NDArray[np.int64]


class PromptMask:
    """Encodes conversations: after each of its exchanges there is a sample of all that has been said."""

    def __init__(self, encoder: Encoder, end: Sequence[int] = ()) -> None:
        self._encoder = encoder
        self._end = list(end)
        cuts = cuts_for(encoder)
        self._pieces: Optional[PieceEncoder] = PieceEncoder(encoder, cuts, self._end) if cuts else None
        if not self._is_proven():
            self._pieces = None

    @property
    def encodes_once(self) -> bool:
        """Whether the tokenizer was proven to let a text be cut."""
        return self._pieces is not None

    def encode(self, talks: Sequence[Sequence[Exchange]]) -> Masked:
        """One sample for each exchange of each conversation, in order."""
        if self._pieces is None:
            return self._twice(talks)
        cut = self._pieces.cut(talks)
        if not any(cut.odd):
            return Masked(*self._pieces.encode(cut))
        odd = self._twice([talk for talk, is_odd in zip(talks, cut.odd) if is_odd])
        rest = Masked(*self._pieces.encode(cut.without_odd()))
        flags = chain.from_iterable(repeat(is_odd, len(talk)) for talk, is_odd in zip(talks, cut.odd))
        return _mixed(rest, odd, list(flags))

    def _twice(self, talks: Sequence[Sequence[Exchange]]) -> Masked:
        """As the reference does it: the whole text, and the prompt."""
        texts: List[str] = []
        for talk in talks:
            before = ""
            for asked, answer in talk:
                texts.append(whole_text(before + asked, answer))
                before += asked + assistant_message(answer)
        prompts = full(self._encoder, [prompt_of(text) for text in texts])
        return Masked(full(self._encoder, texts, self._end), prompts.lengths)

    def _is_proven(self) -> bool:
        if self._pieces is None:
            return False
        asked = [user_message(words) for words in _QUESTIONS]
        talks = [[(question, answer)] for question in (*asked, "", asked[0] * 2) for answer in _ANSWERS]
        talks += [list(zip(asked[at:], _ANSWERS[at:])) for at in range(len(asked) - 1)]
        cut = self._pieces.cut(talks)
        whole = self._twice([talk for talk, is_odd in zip(talks, cut.odd) if not is_odd])
        return len(whole.hidden) > 0 and _equal(Masked(*self._pieces.encode(cut.without_odd())), whole)


def _equal(one: Masked, other: Masked) -> bool:
    import numpy as np

    same_ids = np.array_equal(one.ids.flat, other.ids.flat) and np.array_equal(one.hidden, other.hidden)
    return same_ids and np.array_equal(one.ids.lengths, other.ids.lengths)


def labels(masked: Masked) -> Ragged:
    """The ids with the question left out."""
    import numpy as np

    ids, hidden = masked
    covered = np.minimum(hidden, ids.lengths)
    rest = ids.lengths - covered
    shown = _alternating(covered, rest)
    if np.array_equal(covered, hidden):
        return Ragged(np.where(shown, ids.flat, np.int32(IGNORED)), ids.lengths)
    flat = np.full(int(hidden.sum() + rest.sum()), IGNORED, np.int32)
    flat[_alternating(hidden, rest)] = ids.flat[shown]
    return Ragged(flat, hidden + rest)


def _alternating(off: NDArray[np.int64], on: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Flags: as often as `off` says not set, then as often as `on` says set, row by row."""
    import numpy as np

    runs = np.stack((off, on), axis=1).ravel()
    flags: NDArray[np.bool_] = np.repeat(np.tile(np.array([False, True]), len(off)), runs)
    return flags


def _mixed(even: Masked, odd: Masked, is_odd: Sequence[bool]) -> Masked:
    """Samples of both, in the order that `is_odd` says."""
    import numpy as np

    flags = np.array(is_odd, bool)
    hidden = np.empty(len(flags), np.int64)
    lengths = np.zeros((2, len(flags)), np.int64)
    for row, (part, chosen) in enumerate(((even, ~flags), (odd, flags))):
        lengths[row, chosen] = part.ids.lengths
        hidden[chosen] = part.hidden
    pieces = [Ragged(part.ids.flat, lengths[row]) for row, part in enumerate((even, odd))]
    return Masked(weave(len(flags), pieces), hidden)
