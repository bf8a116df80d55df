"""Texts to ids with the tokenizers library: always there, and the measure of every faster encoder."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from backend.node.data.encoder import AT_NEWLINES, NOWHERE
from backend.node.data.ragged import Ragged
from backend.node.data.special_frame import frame_of
from backend.node.data.text_cuts import cuts_of, without_blank_in_front
from backend.node.data.tokenizer import LoadedTokenizer, parse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TokenizersEncoder:
    """An `Encoder` (see encoder.py) over a `tokenizers.Tokenizer`. Safe for several threads at once."""

    name = "tokenizers"

    def __init__(self, loaded: LoadedTokenizer, note: str = "") -> None:
        import tokenizers

        self.tokenizer = loaded.tokenizer
        self.bos, self.eos, self.unknown, self.pad = loaded.bos, loaded.eos, loaded.unknown, loaded.pad
        self.vocabulary = loaded.vocabulary
        content: Dict[str, Any] = json.loads(loaded.tokenizer.to_str())
        self.cuts = NOWHERE if loaded.tokenizer.encode_special_tokens else cuts_of(content)
        self.added_tokens: List[Dict[str, Any]] = content.get("added_tokens") or []
        self.special_texts: Tuple[str, ...] = tuple(token["content"] for token in self.added_tokens)
        self.inner_tokenizer = loaded.tokenizer
        if self.cuts == AT_NEWLINES:
            self.inner_tokenizer = parse(without_blank_in_front(content), "")
        self.note = note
        self.versions = {"tokenizers": tokenizers.__version__}
        self.before, self.after = frame_of(
            lambda text: self.tokenizer.encode(text).ids,
            lambda text: self.tokenizer.encode(text, add_special_tokens=False).ids,
        )

    def plain(self, texts: Sequence[str]) -> Ragged:
        return encode(self.tokenizer, texts)

    def inner(self, texts: Sequence[str]) -> Ragged:
        return encode(self.inner_tokenizer, texts)

    def full(self, texts: Sequence[str]) -> Ragged:
        return encode(self.tokenizer, texts, special=True)

    def token_id(self, text: str) -> Optional[int]:
        found: Optional[int] = self.tokenizer.token_to_id(text)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        return decode(self.tokenizer, ids, self.vocabulary)


def encode(tokenizer: Any, texts: Sequence[str], special: bool = False) -> Ragged:
    """Ids of every text, with the special tokens around it or without."""
    import numpy as np

    if not texts:
        return Ragged(np.empty(0, np.int32), np.empty(0, np.int64))
    # Releases before 0.20 know only the slower one, with the same ids.
    batch = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
    encodings = batch(list(texts), add_special_tokens=special)
    lengths: NDArray[np.int64] = np.fromiter(map(len, encodings), np.int64, len(encodings))
    flat = np.empty(int(lengths.sum()), np.int32)
    at = 0
    # One list of Python numbers at a time, straight to its place: the cheapest way out of the library.
    for encoding, length in zip(encodings, lengths.tolist()):
        flat[at : at + length] = encoding.ids
        at += length
    return Ragged(flat, lengths)


def decode(tokenizer: Any, ids: Sequence[int], vocabulary: int) -> str:
    """Text of ids; those that the tokenizer has no token for as `<id>`."""
    parts: List[str] = []
    for known, run in itertools.groupby(map(int, ids), lambda ident: _is_token(tokenizer, ident, vocabulary)):
        if known:
            parts.append(tokenizer.decode(list(run), skip_special_tokens=False))
        else:
            parts += [f"<{ident}>" for ident in run]
    return "".join(parts)


def _is_token(tokenizer: Any, ident: int, vocabulary: int) -> bool:
    return 0 <= ident < vocabulary and tokenizer.id_to_token(ident) is not None
