"""Rows of a block and an encoder of single letters, for tests of handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.node.data.handlers.handler import Encoded
from backend.node.data.ragged import Ragged, lists, ragged
from backend.node.data.rows import LINE, BadRow, Rows

BOS, EOS, UNKNOWN = 1, 2, 3
FIRST_LETTER = 1000


class LetterEncoder:
    """Every letter is an id; `tokens` have one of their own, but only by name, never inside a text."""

    cuts = ""
    name = "tokenizers"
    note = ""
    vocabulary = 1 << 21
    special_texts: tuple[str, ...] = ()

    def __init__(
        self,
        tokens: Mapping[str, int] | None = None,
        bos: int | None = BOS,
        eos: int | None = EOS,
        unknown: int | None = None,
    ) -> None:
        self.before: list[int] | None = [BOS]
        self.after: list[int] | None = []
        self.versions: dict[str, str] = {}
        self.tokens = dict(tokens or {})
        self.bos, self.eos, self.unknown = bos, eos, unknown
        self.pad = eos
        self.calls: list[list[str]] = []

    def plain(self, texts: Sequence[str]) -> Ragged:
        self.calls.append(list(texts))
        return ragged([[FIRST_LETTER + ord(letter) for letter in text] for text in texts])

    inner = plain

    def full(self, texts: Sequence[str]) -> Ragged:
        return ragged([[BOS, *ids] for ids in lists(self.plain(texts))])

    def token_id(self, text: str) -> int | None:
        return self.tokens.get(text)

    def decode(self, ids: Sequence[int]) -> str:
        names = {BOS: "<bos>", EOS: "<eos>", UNKNOWN: "<unknown>", -100: "_"}
        names.update({ident: f"<{text}>" for text, ident in self.tokens.items()})
        return "".join(names[ident] if ident in names else chr(ident - FIRST_LETTER) for ident in ids)


def block(*values: Mapping[str, Any], columns: Sequence[str], bad: Sequence[BadRow] = ()) -> Rows:
    """Rows of one file; the lines of `bad` lie between them."""
    taken = {row.number for row in bad}
    numbers = [number for number in range(1, len(values) + len(taken) + 1) if number not in taken]
    table = {name: [row.get(name) for row in values] for name in columns}
    places = [number - 1 for number in numbers]
    return Rows("data.jsonl", LINE, numbers, places, len(values) + len(taken), table, list(bad))


def sequences(encoded: Encoded, key: str) -> list[list[int]]:
    """The ids of one output, one sequence a row."""
    part = encoded.parts[key]
    assert part.counts.tolist() == [1] * len(encoded.places)
    assert part.sequences is not None
    return lists(part.sequences)
