from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from small_tokenizers import BYTE_LEVEL, GPT2, KINDS, LLAMA, WORD_PIECE, encoder_of

from backend.node.data.handlers.instruction_prompt import user_message
from backend.node.data.handlers.prompt_mask import Masked, PromptMask, labels
from backend.node.data.ragged import Ragged, lists, ragged

pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch


class Counting:
    """An encoder that counts the characters it is given."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.characters = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def plain(self, texts: Sequence[str]) -> Ragged:
        self.characters += sum(map(len, texts))
        found: Ragged = self._encoder.plain(texts)
        return found

    def inner(self, texts: Sequence[str]) -> Ragged:
        self.characters += sum(map(len, texts))
        found: Ragged = self._encoder.inner(texts)
        return found


class Wrong(Counting):
    """One whose pieces are not what they should be."""

    def inner(self, texts: Sequence[str]) -> Ragged:
        found = super().inner(texts)
        return Ragged(found.flat[::-1].copy(), found.lengths)


@pytest.mark.parametrize("kind", [BYTE_LEVEL, GPT2, LLAMA])
def test_each_text_is_encoded_once(kind: str) -> None:
    encoder = Counting(encoder_of(kind))
    mask = PromptMask(encoder)
    assert mask.encodes_once
    encoder.characters = 0
    mask.encode([((user_message("q" * 1000), "a" * 1000),)])
    assert encoder.characters < 2100
    encoder.characters = 0
    mask.encode([[(user_message("q" * 100), "a" * 100)] * 10])
    assert encoder.characters < 10 * 400


@pytest.mark.parametrize("kind", [BYTE_LEVEL, LLAMA])
def test_pieces_that_are_wrong_are_not_used(kind: str) -> None:
    assert not PromptMask(Wrong(encoder_of(kind))).encodes_once


def test_a_tokenizer_that_must_see_whole_texts_does() -> None:
    assert not PromptMask(encoder_of(WORD_PIECE)).encodes_once


@pytest.mark.parametrize(
    ("kind", "special", "once"),
    [
        (BYTE_LEVEL, "<|im_end|>", True),
        (BYTE_LEVEL, "## Response", False),
        (BYTE_LEVEL, "step by step", False),
        (BYTE_LEVEL, "\n\n", True),
        (LLAMA, "<pad>", True),
        (LLAMA, "x:\n", False),
        (LLAMA, "\n", False),
    ],
)
def test_added_tokens_that_stand_in_the_prompt_forbid_it(kind: str, special: str, once: bool) -> None:
    assert PromptMask(encoder_of(kind, special)).encodes_once is once


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_encode(kind: str) -> None:
    mask = PromptMask(encoder_of(kind), [7])
    for talks in ([], [[]], [[], []]):
        masked = mask.encode(talks)
        assert len(masked.ids.flat) == len(masked.hidden) == len(masked.ids.lengths) == 0
        assert len(labels(masked).flat) == 0


def test_labels_leave_out_the_question_and_may_be_longer() -> None:
    masked = Masked(ragged([[1, 2, 3], [], [4, 5]]), np.array([1, 0, 1], np.int64))
    assert lists(labels(masked)) == [[-100, 2, 3], [], [-100, 5]]
    masked = masked._replace(hidden=np.array([1, 2, 4], np.int64))
    found = labels(masked)
    assert lists(found) == [[-100, 2, 3], [-100, -100], [-100] * 4]
    assert found.flat.dtype == np.int32
