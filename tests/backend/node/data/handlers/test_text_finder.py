from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.handlers.text_finder import TextFinder

letters = st.text("ab▁ \n", max_size=6)


@given(st.lists(letters.filter(bool), max_size=40), st.lists(letters, max_size=5))
def test_flags_the_texts_that_hold_a_word(words: list[str], texts: list[str]) -> None:
    forms = [*words, *(word.replace("▁", " ") for word in words)]
    assert TextFinder(words).search(texts) == [any(form in text for form in forms) for text in texts]


def test_many_words_with_many_beginnings() -> None:
    words = [f"{chr(65 + number)}{number}" for number in range(60)]
    assert TextFinder(words).search(["A1", "B1", "", "xC2x", "A0"]) == [False, True, False, True, True]


def test_nothing_to_find() -> None:
    assert TextFinder([]).search(["", "a"]) == [False, False]
    assert TextFinder(["a"]).search([]) == []
