"""Question and answer pairs: the limit of a conversation, and its labels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.handlers.pairs import cut_lengths, cut_long, labels, masked, samples
from backend.node.data.handlers.piece_ids import MessageIds
from backend.node.data.ragged import lists, ragged

EOS = 7
Talk = list[list[int]]
MESSAGE = st.lists(st.integers(10, 99), max_size=9)
TALKS = st.lists(
    st.lists(st.tuples(MESSAGE, MESSAGE), min_size=1, max_size=4).map(
        lambda pairs: [message for pair in pairs for message in pair]
    ),
    min_size=1,
    max_size=5,
)


def message_ids(talks: list[Talk]) -> MessageIds:
    return MessageIds(
        ragged([message for talk in talks for message in talk]),
        np.array([len(talk) for talk in talks], np.int64),
    )


def slow_pairs(talk: Talk, limit: int) -> list[tuple[list[int], list[int]]]:
    """The rule of the reference, one pair after the other."""
    pairs = []
    total = 0
    for source, target in zip(talk[::2], talk[1::2], strict=True):
        room = limit - total
        if room <= 0:
            break
        both = len(source) + len(target)
        share = max(int(room * (len(target) / both)) if both else 0, 1)
        pair = (source[: room - min(share, len(target))], target[:share])
        total += len(pair[0]) + len(pair[1])
        pairs.append(pair)
    return pairs


def slow_labels(pairs: list[tuple[list[int], list[int]]], efficient: bool) -> list[int]:
    ids: list[int] = []
    hidden: list[int] = []
    for source, target in pairs:
        if ids and efficient:
            hidden += [EOS] + [-100] * (len(source) - 1)
        else:
            hidden += [-100] * len(source)
        ids += source + target
        hidden += target
    return hidden


@given(TALKS, st.integers(1, 40), st.booleans())
def test_as_the_slow_rule(talks: list[Talk], limit: int, efficient: bool) -> None:
    messages = cut_long(message_ids(talks), limit)
    pairs = [slow_pairs(talk, limit) for talk in talks]
    expected = [[ident for pair in talk for part in pair for ident in part] for talk in pairs]
    assert lists(samples(messages)) == expected
    trained = labels(messages, EOS if efficient else None)
    assert trained.flat.dtype == np.int32
    assert lists(trained) == [slow_labels(talk, efficient) for talk in pairs]


def test_the_answer_keeps_its_share() -> None:
    assert cut_lengths([900, 300], 400) == [300, 100]
    assert cut_lengths([1000, 1], 100) == [99, 1]
    assert cut_lengths([1, 1000], 100) == [1, 99]
    assert cut_lengths([0, 0], 100) == [0, 0]
    assert cut_lengths([60, 40, 5, 5], 100) == [60, 40, -1, -1]


def test_short_ones_are_not_touched() -> None:
    messages = message_ids([[[1, 2], [3]], [[4], [5]]])
    assert cut_long(messages) is messages


def test_masked_has_the_same_lengths() -> None:
    assert lists(masked(ragged([[1, 2], [], [3]]))) == [[-100, -100], [], [-100]]
