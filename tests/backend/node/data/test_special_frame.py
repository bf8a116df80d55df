"""The special tokens around every text."""

from __future__ import annotations

import pytest

from backend.node.data.special_frame import frame_of


def plain(text: str) -> list[int]:
    return [ord(char) for char in text]


@pytest.mark.parametrize(("before", "after"), [([], []), ([1], []), ([], [2]), ([1, 2], [3]), ([120], [120])])
def test_the_same_ids_around_every_text_are_found(before: list[int], after: list[int]) -> None:
    assert frame_of(lambda text: [*before, *plain(text), *after], plain) == (before, after)


def test_ids_that_depend_on_the_text_are_no_frame() -> None:
    assert frame_of(lambda text: plain(text) * 2, plain) == (None, None)
    assert frame_of(lambda text: [len(text), *plain(text)], plain) == (None, None)
    assert frame_of(lambda text: plain(text) + [1] * bool(text), plain) == (None, None)
    assert frame_of(lambda text: [], plain) == (None, None)
