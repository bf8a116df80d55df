"""The face of every encoder: texts in, ids out; what a handler may ask of a tokenizer."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Protocol, Sequence, Tuple

from backend.node.data.ragged import Ragged

# Where a text may be cut without changing its ids (`Encoder.cuts`).
AT_WORDS = "words"
AT_NEWLINES = "newlines"
NOWHERE = ""


class EncoderMismatchError(Exception):
    """A fast encoder gave other ids than the tokenizers library: it must not be used. Says for which text."""


class TokenizerOptions(NamedTuple):
    """How a tokenizer is loaded. `kind`: ModelLink's --tokenizer-type; `with_template`: a prompt template is
    used, and what `replace_eos` and `stop_words` say comes from it; `needs_eos`: every document is to end
    with the end-of-text token; `encoder`: "auto", "tokenizers" or "gigatoken"."""

    folder: str
    kind: str = "PretrainedFromHF"
    use_fast: bool = True
    vocab_file: str = ""
    merge_file: str = ""
    trust_remote_code: bool = False
    with_template: bool = False
    replace_eos: bool = False
    stop_words: Tuple[str, ...] = ()
    needs_eos: bool = False
    encoder: str = "auto"


class Encoder(Protocol):
    """A loaded tokenizer. "Plain" ids are without special tokens, "full" ids with those that the tokenizer
    puts around every text; there is never a truncation.

    `before` and `after`: the ids that make full out of plain, or None for both where they depend on the text;
    `bos`, `eos`, `unknown`, `pad`: ids, None where the tokenizer has none; `vocabulary`: one more than the
    largest id; `cuts`: AT_WORDS (a byte-level BPE cut into words by a regex: no id spans a word border),
    AT_NEWLINES (a SentencePiece-like BPE without pre-tokenizer whose vocabulary joins no newline with
    anything else: no id spans a newline) or NOWHERE; `special_texts`: texts of all added tokens; `name`:
    "tokenizers", "gigatoken" or "transformers"; `note`: why a faster encoder was not taken ("" when nothing
    is to be said); `versions`: of the libraries that made the ids.
    """

    before: Optional[List[int]]
    after: Optional[List[int]]
    bos: Optional[int]
    eos: Optional[int]
    unknown: Optional[int]
    pad: Optional[int]
    vocabulary: int
    cuts: str
    special_texts: Tuple[str, ...]
    name: str
    note: str
    versions: Dict[str, str]

    def plain(self, texts: Sequence[str]) -> Ragged:
        """Ids without special tokens. Raises EncoderMismatchError."""
        ...

    def inner(self, texts: Sequence[str]) -> Ragged:
        """Plain ids of pieces that stand inside a text, after a newline: nothing is put in front of them.
        Only where `cuts` is not NOWHERE (AT_WORDS: the same as `plain`). Raises EncoderMismatchError."""
        ...

    def full(self, texts: Sequence[str]) -> Ragged:
        """Ids with the special tokens. Raises EncoderMismatchError."""
        ...

    def token_id(self, text: str) -> Optional[int]:
        """The id of a token's text, None when the vocabulary has no such token."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens shown; unknown ids as `<id>`."""
        ...
