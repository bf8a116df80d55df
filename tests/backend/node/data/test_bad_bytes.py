from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.bad_bytes import why_not_utf8


@given(st.binary())
def test_says_something_exactly_when_it_is_not_utf8(raw: bytes) -> None:
    try:
        raw.decode()
        place = ""
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1:,} is 0x{raw[error.start]:02X}"
    why = why_not_utf8(raw)
    assert bool(why) == bool(place)
    assert place in why


@pytest.mark.parametrize(
    ("raw", "guess"),
    [
        ("Une fenêtre à l'été, déjà vu".encode("latin-1"), "Latin-1"),
        ("训练数据的第一行，写成了别的编码。".encode("gbk"), "GBK"),
        ('{"text": "训练 data 数据"}'.encode("gb18030"), "GBK"),
        ("训练数据".encode() + b"\xff" + "训练数据".encode(), ""),
        ("训练数据".encode()[:-1], ""),
    ],
)
def test_guesses_the_encoding(raw: bytes, guess: str) -> None:
    why = why_not_utf8(raw)
    assert why.startswith("not UTF-8: byte ")
    assert guess in why if guess else "looks like" not in why
