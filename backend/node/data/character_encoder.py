"""An encoder for looking at data without a tokenizer: every character is one id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from backend.node.data.encoder import NOWHERE
from backend.node.data.ragged import Ragged

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Handlers may write small ids of their own, which are no characters.
_SHIFT = 0x10000
_TOKENS = _SHIFT + 0x110000


class CharacterEncoder:
    """The face of every encoder over shifted code points; tokens that a template names get ids beyond."""

    def __init__(self) -> None:
        self._names = ["<bos>", "<eos>"]
        self.before: Optional[List[int]] = []
        self.after: Optional[List[int]] = []
        self.bos: Optional[int] = _TOKENS
        self.eos: Optional[int] = _TOKENS + 1
        self.unknown: Optional[int] = None
        self.pad: Optional[int] = self.eos
        self.vocabulary = 2 * _TOKENS
        self.cuts = NOWHERE
        self.special_texts: Tuple[str, ...] = ()
        self.name = "characters"
        self.note = ""
        self.versions: Dict[str, str] = {}

    def plain(self, texts: Sequence[str]) -> Ragged:
        """An id a character."""
        import numpy as np

        joined = "".join(texts).encode("utf-32-le", "surrogatepass")
        flat: NDArray[Any] = np.frombuffer(joined, "<u4").astype(np.int32) + np.int32(_SHIFT)
        return Ragged(flat, np.fromiter(map(len, texts), np.int64, len(texts)))

    def inner(self, texts: Sequence[str]) -> Ragged:
        """The same: nothing is put in front of a text."""
        return self.plain(texts)

    def full(self, texts: Sequence[str]) -> Ragged:
        """The same: nothing is put around a text."""
        return self.plain(texts)

    def token_id(self, text: str) -> Optional[int]:
        """An id of its own for every token that is asked for."""
        if text not in self._names:
            self._names.append(text)
        return _TOKENS + self._names.index(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The characters, and the names of tokens."""
        return "".join(map(self._text, ids))

    def _text(self, ident: int) -> str:
        if ident < _SHIFT:
            return f"<{ident}>"
        return chr(ident - _SHIFT) if ident < _TOKENS else self._names[ident - _TOKENS]
