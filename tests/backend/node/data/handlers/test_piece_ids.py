"""Pieces of many conversations as ids."""

from __future__ import annotations

import pytest
from block_of_rows import BOS, FIRST_LETTER, LetterEncoder
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.handlers.conversations import UnusableRowError, Written
from backend.node.data.handlers.piece_ids import PieceIds
from backend.node.data.handlers.slots import Mark, Slot, Token
from backend.node.data.ragged import lists

PIECES: st.SearchStrategy[Slot] = st.sampled_from(
    ["", "a", "bc", "é中", Mark.BOS, Mark.EOS, Token("t"), Token("u")]
)
TALKS = st.lists(st.lists(st.lists(PIECES, max_size=4), min_size=1, max_size=3), max_size=5)


@given(TALKS)
def test_every_piece_is_encoded_alone(talks: list[list[list[Slot]]]) -> None:
    encoder = LetterEncoder({"t": 20}, eos=None, unknown=3)
    table = PieceIds(encoder)
    for talk in talks:
        table.add([[Written(pieces, "c") for pieces in talk]])
    single = {Mark.BOS: [BOS], Mark.EOS: [], Token("t"): [20], Token("u"): [3]}
    messages = table.encode()
    assert messages.per_row.tolist() == [len(talk) for talk in talks]
    expected = [
        [
            ident
            for piece in pieces
            for ident in (
                [FIRST_LETTER + ord(letter) for letter in piece] if isinstance(piece, str) else single[piece]
            )
        ]
        for talk in talks
        for pieces in talk
    ]
    assert lists(messages.ids) == expected
    bounds = messages.row_starts().tolist()
    assert messages.row_lengths().tolist() == [
        sum(map(len, expected[start : start + len(talk)])) for start, talk in zip(bounds, talks, strict=True)
    ]


def test_equal_texts_are_encoded_once() -> None:
    encoder = LetterEncoder()
    table = PieceIds(encoder)
    for _ in range(3):
        table.add([[Written(["same", "", "other"], "c")]])
    table.encode()
    assert encoder.calls == [["same", "other"]]


@pytest.mark.parametrize(
    ("piece", "why"),
    [("a\ud800", "lone surrogate (U+D800)"), (Token("x"), "no token x")],
)
def test_a_row_that_cannot_be_encoded_leaves_nothing(piece: Slot, why: str) -> None:
    table = PieceIds(LetterEncoder())
    with pytest.raises(UnusableRowError) as caught:
        table.add([[Written(["good"], "q"), Written([piece], "a")]])
    assert caught.value.field == "a"
    assert why in caught.value.why
    table.add([[Written(["z"], "q")]])
    assert lists(table.encode().ids) == [[FIRST_LETTER + ord("z")]]
