"""Texts to ids with gigatoken, a much faster engine that is believed only as far as it is checked.

At load it must give the ids of the tokenizers library on awkward texts; in every call a few texts, or pieces
of long ones, are encoded both ways."""

from __future__ import annotations

import re
import zlib
from gettext import gettext as _
from typing import TYPE_CHECKING, List, Optional, Pattern, Sequence

from backend.node.data.awkward_texts import AWKWARD, around_token, from_vocabulary
from backend.node.data.code_point_proof import pattern_of, too_many
from backend.node.data.encoder import EncoderMismatchError
from backend.node.data.gigatoken_engine import (
    GigatokenEngine,
    GigatokenUnusableError,
    differs_for,
    first_difference,
    gigatoken_version,
)
from backend.node.data.ragged import Ragged, join, take, weave
from backend.node.data.text_cuts import is_plainly_found
from backend.node.data.tokenizer import LoadedTokenizer
from backend.node.data.tokenizers_encoder import TokenizersEncoder, encode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Characters that are encoded twice, of every text that is looked at: at this length the check costs little
# beside a block.
_PIECE = 400


class GigatokenEncoder(TokenizersEncoder):
    """An `Encoder` (see encoder.py) over gigatoken. Raises GigatokenUnusableError when made."""

    name = "gigatoken"

    def __init__(self, loaded: LoadedTokenizer) -> None:
        version = gigatoken_version()
        super().__init__(loaded)
        self.versions = {"gigatoken": version, **self.versions}
        # Texts that go through the tokenizers library: those with a character that the two know differently,
        # and, where need be, those with an added token.
        self._characters: Optional[Pattern[str]] = None
        self._special: Optional[Pattern[str]] = None
        self._engine = GigatokenEngine(self.tokenizer)
        self._inner = self._engine
        if self.inner_tokenizer is not self.tokenizer:
            self._inner = GigatokenEngine(self.inner_tokenizer)
        try:
            self._prove()
        except EncoderMismatchError as error:
            raise GigatokenUnusableError(str(error)) from error

    def plain(self, texts: Sequence[str]) -> Ragged:
        return self._encode(self._engine, texts)

    def inner(self, texts: Sequence[str]) -> Ragged:
        return self._encode(self._inner, texts)

    def full(self, texts: Sequence[str]) -> Ragged:
        if self.before is None or self.after is None:
            return super().full(texts)
        if not self.before and not self.after:
            return self.plain(texts)
        return weave(len(texts), [self.before, self.plain(texts), self.after])

    def _prove(self) -> None:
        """Compare both on many texts. Raises EncoderMismatchError."""
        engines = list(dict.fromkeys((self._engine, self._inner)))
        # The inner one differs in the blank before a text alone, and a letter stands before every probe.
        self._characters = _differing_characters(self._engine)
        texts = [*AWKWARD, *from_vocabulary(self.tokenizer, self.vocabulary)]
        around = [text for token in self.special_texts for text in around_token(token)]
        longest_first = sorted(self.special_texts, key=len, reverse=True)
        special = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        around += [text for text in texts if special.search(text)]
        texts = [text for text in texts if not special.search(text) and not self._is_doubtful(text)]
        for engine in engines:
            text = engine.differs(texts)
            if text is not None:
                raise EncoderMismatchError(differs_for(text))
            text = engine.differs(around)
            if text is None:
                continue
            if not all(map(is_plainly_found, self.added_tokens)):
                raise EncoderMismatchError(differs_for(text))
            self._special = special

    def _is_doubtful(self, text: str) -> bool:
        """Whether it must go through the tokenizers library."""
        if self._special is not None and self._special.search(text):
            return True
        return self._characters is not None and not text.isascii() and bool(self._characters.search(text))

    def _encode(self, engine: GigatokenEngine, texts: Sequence[str]) -> Ragged:
        import numpy as np

        if self._special is not None or self._characters is not None:
            doubtful = np.fromiter(map(self._is_doubtful, texts), np.bool_, len(texts))
            if doubtful.any():
                return self._encode_apart(engine, texts, doubtful)
        ids = engine.encode(texts)
        self._check(engine, texts, ids)
        return ids

    def _encode_apart(
        self, engine: GigatokenEngine, texts: Sequence[str], doubtful: NDArray[np.bool_]
    ) -> Ragged:
        """The doubtful texts through the tokenizers library, the others not."""
        import numpy as np

        slow = encode(engine.tokenizer, [text for text, odd in zip(texts, doubtful) if odd])
        rest = [text for text, odd in zip(texts, doubtful) if not odd]
        quick = engine.encode(rest)
        self._check(engine, rest, quick)
        pieces = []
        for source, rows in ((slow, doubtful), (quick, ~doubtful)):
            lengths = np.zeros(len(texts), np.int64)
            lengths[rows] = source.lengths
            pieces.append(Ragged(source.flat, lengths))
        return weave(len(texts), pieces)

    def _check(self, engine: GigatokenEngine, texts: Sequence[str], ids: Ragged) -> None:
        """Encode a few of the texts both ways. Raises EncoderMismatchError."""
        import numpy as np

        if not texts:
            return
        whole, pieces = [], []
        for row in spots(texts):
            text = texts[row]
            if len(text) <= _PIECE:
                whole.append(row)
            else:
                start = zlib.crc32(text[:_PIECE].encode()) % (len(text) - _PIECE)
                pieces.append(text[start : start + _PIECE])
        wanted = np.zeros(len(texts), np.bool_)
        wanted[whole] = True
        pieces = [piece for piece in pieces if not self._is_doubtful(piece)]
        looked_at = [texts[row] for row in whole]
        slow = encode(engine.tokenizer, looked_at + pieces)
        fast = join([take(ids, wanted), engine.encode(pieces)])
        other = first_difference(looked_at + pieces, fast, slow)
        if other is not None:
            raise EncoderMismatchError(differs_for(other))


def _differing_characters(engine: GigatokenEngine) -> Optional[Pattern[str]]:
    """Characters that it does not encode as the tokenizers library does. Raises EncoderMismatchError."""
    ranges = engine.differing_characters()
    if too_many(ranges):
        raise EncoderMismatchError(_("gigatoken gives other ids than tokenizers for many characters"))
    return re.compile(pattern_of(ranges)) if ranges else None


def spots(texts: Sequence[str]) -> List[int]:
    """Which texts of a call are looked at, the same ones every time: the first, the last, the longest of the
    short ones, and one that their sizes choose. At least one text is needed."""
    last = len(texts) - 1
    short = max(range(len(texts)), key=lambda row: len(texts[row]) if len(texts[row]) <= _PIECE else 0)
    chosen = zlib.crc32(b"%d %d" % (len(texts[0]), len(texts[last]))) % len(texts)
    return sorted({0, last, short, chosen})
