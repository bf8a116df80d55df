from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.weights import tensor_cuts
from backend.node.weights.families import mapping
from backend.node.weights.tensor_cuts import Place

np = pytest.importorskip("numpy")


@st.composite
def places(draw: st.DrawFn) -> Place:
    tp = draw(st.sampled_from((1, 2, 3, 4)))
    kv_heads = tp * draw(st.integers(1, 3))
    heads = kv_heads * draw(st.integers(1, 4))
    vocab = draw(st.integers(1, 40))
    padded = -(-vocab // tp) * tp + tp * draw(st.integers(0, 6))
    return Place(0, tp, heads, kv_heads, draw(st.integers(1, 5)), vocab, padded)


def numbered(*shape: int, start: int = 0) -> Any:
    size = int(np.prod(shape))
    return np.arange(start, start + size, dtype="<u2").reshape(shape)


def pieces(cut: str, sources: list[Any], place: Place) -> list[Any]:
    return [tensor_cuts.piece(cut, sources, place._replace(rank=rank)) for rank in range(place.tp)]


def qkv(place: Place, *rest: int) -> list[Any]:
    queries, keys = place.heads * place.head_dim, place.kv_heads * place.head_dim
    return [
        numbered(queries, *rest),
        numbered(keys, *rest, start=20000),
        numbered(keys, *rest, start=40000),
    ]


def assert_same(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@given(places(), st.sampled_from([(), (3,)]), st.booleans())
def test_queries_keys_and_values_come_back(place: Place, rest: tuple[int, ...], packed: bool) -> None:
    plain = qkv(place, *rest)
    sources = [np.concatenate(plain)] if packed else plain
    cut = pieces(mapping.QKV, sources, place)
    assert len({piece.shape for piece in cut}) == 1
    assert_same(tensor_cuts.whole(mapping.QKV, cut, place, len(sources)), sources)
    # From one form into the other, too: the pieces do not tell them apart.
    assert_same(tensor_cuts.whole(mapping.QKV, cut, place), plain)
    assert_same(tensor_cuts.whole(mapping.QKV, cut, place, 1), [np.concatenate(plain)])


@given(places())
def test_rows_of_a_group_lie_together(place: Place) -> None:
    """The place of every row as the formulas say it: a group's queries, its key, its value."""
    queries, keys, values = qkv(place, 2)
    merged = np.concatenate(pieces(mapping.QKV, [queries, keys, values], place))
    width, ratio = place.head_dim, place.heads // place.kv_heads
    for head in range(place.heads):
        start = ((head // ratio) * (ratio + 2) + head % ratio) * width
        assert np.array_equal(merged[start : start + width], queries[head * width : (head + 1) * width])
    for group in range(place.kv_heads):
        start = (group * (ratio + 2) + ratio) * width
        rows = slice(group * width, (group + 1) * width)
        assert np.array_equal(merged[start : start + width], keys[rows])
        assert np.array_equal(merged[start + width : start + 2 * width], values[rows])


@given(places(), st.integers(1, 4), st.booleans())
def test_gate_and_up_come_back(place: Place, width: int, packed: bool) -> None:
    gate, up = numbered(width * place.tp, 3), numbered(width * place.tp, 3, start=30000)
    sources = [np.concatenate([gate, up])] if packed else [gate, up]
    cut = pieces(mapping.GATE_UP, sources, place)
    for rank, piece in enumerate(cut):
        rows = slice(rank * width, (rank + 1) * width)
        assert np.array_equal(piece, np.concatenate([gate[rows], up[rows]]))
    assert_same(tensor_cuts.whole(mapping.GATE_UP, cut, place, len(sources)), sources)


@given(places(), st.integers(1, 4))
def test_columns_come_back(place: Place, width: int) -> None:
    source = numbered(3, width * place.tp)
    cut = pieces(mapping.COLUMNS, [source], place)
    assert all(piece.base is not None and piece.shape == (3, width) for piece in cut)
    assert_same(tensor_cuts.whole(mapping.COLUMNS, cut, place), [source])


@given(places())
def test_the_vocabulary_is_padded_with_its_last_row_and_trimmed(place: Place) -> None:
    source = numbered(place.vocab, 3)
    cut = pieces(mapping.VOCABULARY, [source], place)
    assert {piece.shape for piece in cut} == {(place.padded_vocab // place.tp, 3)}
    padding = np.concatenate(cut)[place.vocab :]
    assert (padding == source[-1]).all()
    assert_same(tensor_cuts.whole(mapping.VOCABULARY, cut, place), [source])


def test_a_vocabulary_without_padding_has_a_shorter_last_share() -> None:
    place = Place(0, 2, 2, 2, 1, 67, 67)
    source = numbered(67, 2)
    cut = pieces(mapping.VOCABULARY, [source], place)
    assert [len(piece) for piece in cut] == [34, 33]
    assert_same(tensor_cuts.whole(mapping.VOCABULARY, cut, place), [source])


@pytest.mark.parametrize("count", [5, 6, 7, 9])
def test_shares_may_be_empty(count: int) -> None:
    place = Place(0, 4, 4, 4, 1, count, count)
    source = numbered(count, 2)
    cut = pieces(mapping.VOCABULARY, [source], place)
    assert_same(tensor_cuts.whole(mapping.VOCABULARY, cut, place), [source])


@given(places())
def test_copies_come_back(place: Place) -> None:
    source = numbered(4)
    assert_same(tensor_cuts.whole(mapping.COPY, pieces(mapping.COPY, [source], place), place), [source])


def test_a_single_rank_takes_views() -> None:
    place = Place(0, 1, 2, 2, 1, 4, 4)
    source = numbered(4, 2)
    for cut in (mapping.COPY, mapping.COLUMNS, mapping.VOCABULARY):
        [piece] = pieces(cut, [source], place)
        assert np.shares_memory(piece, source)
        assert np.shares_memory(tensor_cuts.source(cut, [piece], place, 0, 1), source)


@given(places())
def test_one_source_is_what_the_whole_has_there(place: Place) -> None:
    sources = qkv(place, 2)
    cut = pieces(mapping.QKV, sources, place)
    for index, expected in enumerate(sources):
        assert np.array_equal(tensor_cuts.source(mapping.QKV, cut, place, index, 3), expected)
