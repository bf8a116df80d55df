"""Rectangles to copy make the same pieces and sources as the cuts of tensor_cuts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.weights import tensor_cuts
from backend.node.weights.families import mapping
from backend.node.weights.tensor_blocks import Plan, piece_plan, rows_of, source_plan, through
from backend.node.weights.tensor_cuts import BLOCKS, Place

np = pytest.importorskip("numpy")

CUTS = (mapping.COPY, mapping.COLUMNS, mapping.QKV, mapping.GATE_UP, mapping.VOCABULARY)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Any], Place]:
    """A cut, its sources, and a place for it."""
    tp = draw(st.sampled_from((1, 2, 3, 4)))
    kv_heads = 12 * draw(st.integers(1, 2))
    heads, width = kv_heads * draw(st.integers(1, 3)), draw(st.integers(1, 3))
    vocab = draw(st.integers(12, 40))
    padded = draw(st.sampled_from((vocab, vocab + draw(st.integers(0, 30)))))
    place = Place(draw(st.integers(0, tp - 1)), tp, heads, kv_heads, width, vocab, padded)
    cut = draw(st.sampled_from(CUTS))
    rows = {
        mapping.QKV: [heads * width, kv_heads * width, kv_heads * width],
        mapping.GATE_UP: [12, 12],
        mapping.VOCABULARY: [vocab],
    }.get(cut, [12])
    plain = cut == mapping.COLUMNS or draw(st.booleans())
    rest = (12,) if plain else ()
    sources = [numbered(count, *rest, start=7000 * number) for number, count in enumerate(rows)]
    packed = len(sources) > 1 and draw(st.booleans())
    return cut, [np.concatenate(sources)] if packed else sources, place


def numbered(*shape: int, start: int = 0) -> Any:
    return np.arange(start, start + int(np.prod(shape)), dtype="<u4").reshape(shape)


def made(plan: Plan, sources: list[Any]) -> Any:
    """Every value of it once, from where the plan says."""
    out = np.zeros(plan.shape, "<u4")
    times = np.zeros(plan.shape, "<u4")
    tables = [source.reshape(len(source), -1) for source in sources]
    table, counted = out.reshape(len(out), -1), times.reshape(len(out), -1)
    for one in plan.blocks:
        target = (
            slice(one.to_row, one.to_row + one.rows),
            slice(one.to_column, one.to_column + one.columns),
        )
        table[target] = tables[one.source][
            one.row : one.row + one.rows, one.column : one.column + one.columns
        ]
        counted[target] += 1
    assert (times == 1).all()
    return out


def shapes(arrays: list[Any]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]


@given(cases())
def test_a_piece_is_that_of_the_cut(case: tuple[str, list[Any], Place]) -> None:
    cut, sources, place = case
    found = made(piece_plan(cut, shapes(sources), place), sources)
    assert np.array_equal(found, tensor_cuts.piece(cut, sources, place))


@given(cases())
def test_a_source_is_that_of_the_cut(case: tuple[str, list[Any], Place]) -> None:
    cut, sources, place = case
    pieces = [tensor_cuts.piece(cut, sources, place._replace(rank=rank)) for rank in range(place.tp)]
    for index, source in enumerate(sources):
        plan = source_plan(cut, shapes(pieces), place, index, len(sources))
        assert np.array_equal(made(plan, pieces), source)


@given(cases(), st.sampled_from((1, 2, 3, 4)), st.integers(0, 9))
def test_old_pieces_make_new_ones(case: tuple[str, list[Any], Place], tp: int, more: int) -> None:
    cut, sources, place = case
    pieces = [tensor_cuts.piece(cut, sources, place._replace(rank=rank)) for rank in range(place.tp)]
    new = place._replace(tp=tp, rank=tp - 1, padded_vocab=place.vocab + more)
    count = len(BLOCKS.get(cut, (0,)))
    inner = [source_plan(cut, shapes(pieces), place, number, count) for number in range(count)]
    plan = through(piece_plan(cut, [one.shape for one in inner], new), inner)
    assert np.array_equal(made(plan, pieces), tensor_cuts.piece(cut, sources, new))


@given(cases(), st.integers(1, 9))
def test_some_rows_after_others_are_the_whole(case: tuple[str, list[Any], Place], count: int) -> None:
    cut, sources, place = case
    plan = piece_plan(cut, shapes(sources), place)
    rows = plan.shape[0]
    parts = [
        made(Plan((min(count, rows - first), *plan.shape[1:]), list(rows_of(plan, first, count))), sources)
        for first in range(0, rows, count)
    ]
    assert np.array_equal(np.concatenate(parts), made(plan, sources))
