"""The cuts of tensor_cuts as rectangles to copy: so that a piece is read from files with nothing between.

Every tensor has rows and columns here; the values of one with a single dimension are rows of one column.
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Sequence, Tuple

from backend.node.weights.families import mapping
from backend.node.weights.layout import share
from backend.node.weights.tensor_cuts import BLOCKS, Place

Shape = Tuple[int, ...]


class Block(NamedTuple):
    """`rows` x `columns` values of source number `source`, from (`row`, `column`) there to (`to_row`,
    `to_column`)."""

    source: int
    row: int
    column: int
    rows: int
    columns: int
    to_row: int = 0
    to_column: int = 0


class Plan(NamedTuple):
    """What a tensor of `shape` is copied from."""

    shape: Shape
    blocks: List[Block]


def piece_plan(cut: str, shapes: Sequence[Shape], place: Place) -> Plan:
    """As tensor_cuts.piece, from the shapes of the sources."""
    first = shapes[0]
    if cut == mapping.COLUMNS:
        width = first[1] // place.tp
        return Plan((first[0], width), [Block(0, 0, place.rank * width, first[0], width)])
    if cut == mapping.VOCABULARY:
        return _stacked(first, _vocabulary(place))
    if cut == mapping.COPY:
        return _stacked(first, [(0, 0, first[0])])
    shares = [
        (number, start + place.rank * (count // place.tp), count // place.tp)
        for number, start, count in _unpacked(cut, shapes, place)
    ]
    groups = place.kv_heads // place.tp if cut == mapping.QKV else 1
    runs = [
        (number, start + group * (count // groups), count // groups)
        for group in range(groups)
        for number, start, count in shares
    ]
    return _stacked(first, runs)


def source_plan(cut: str, shapes: Sequence[Shape], place: Place, index: int, count: int) -> Plan:
    """As tensor_cuts.source, from the shapes of the pieces of all ranks."""
    first = shapes[0]
    if cut == mapping.COPY:
        return _stacked(first, [(0, 0, first[0])])
    if cut == mapping.COLUMNS:
        blocks, at = [], 0
        for number, shape in enumerate(shapes):
            blocks.append(Block(number, 0, 0, shape[0], shape[1], 0, at))
            at += shape[1]
        return Plan((first[0], at), blocks)
    if cut == mapping.VOCABULARY:
        runs, left = [], place.vocab
        for number, shape in enumerate(shapes):
            runs.append((number, 0, min(left, shape[0])))
            left -= runs[-1][2]
        return _stacked(first, runs)
    wanted = BLOCKS[cut] if count == 1 else BLOCKS[cut][index : index + 1]
    ratio = place.heads // place.kv_heads
    # The first head and the number of heads of each block in a group.
    heads = [(0, ratio), (ratio, 1), (ratio + 1, 1)] if cut == mapping.QKV else [(0, 1), (1, 1)]
    return _stacked(
        first,
        [
            (number, (group * _heads(heads) + heads[block][0]) * width, heads[block][1] * width)
            for block in wanted
            for number, shape in enumerate(shapes)
            for width in [place.head_dim if cut == mapping.QKV else shape[0] // 2]
            for group in range(shape[0] // (width * _heads(heads)) if width else 0)
        ],
    )


def through(outer: Plan, inner: Sequence[Plan]) -> Plan:
    """The plan `outer`, whose sources are made by the plans `inner`, from the sources of those."""
    blocks = []
    for want in outer.blocks:
        for have in inner[want.source].blocks:
            row, to_row = max(want.row, have.to_row), min(want.row + want.rows, have.to_row + have.rows)
            column = max(want.column, have.to_column)
            to_column = min(want.column + want.columns, have.to_column + have.columns)
            if row < to_row and column < to_column:
                blocks.append(
                    Block(
                        have.source,
                        have.row + row - have.to_row,
                        have.column + column - have.to_column,
                        to_row - row,
                        to_column - column,
                        want.to_row + row - want.row,
                        want.to_column + column - want.column,
                    )
                )
    return Plan(outer.shape, blocks)


def rows_of(plan: Plan, first: int, count: int) -> Iterator[Block]:
    """The blocks of `count` rows from the row `first` on, which becomes row 0."""
    for block in plan.blocks:
        start, stop = max(first, block.to_row), min(first + count, block.to_row + block.rows)
        if start < stop:
            row = block.row + start - block.to_row
            yield block._replace(row=row, rows=stop - start, to_row=start - first)


def _stacked(like: Shape, runs: Sequence[Tuple[int, int, int]]) -> Plan:
    """Whole rows one under another: source, first row, number of rows."""
    width = like[1] if len(like) > 1 else 1
    blocks, at = [], 0
    for number, start, count in runs:
        if count:
            blocks.append(Block(number, start, 0, count, width, at, 0))
        at += count
    return Plan((at, *like[1:]), blocks)


def _vocabulary(place: Place) -> List[Tuple[int, int, int]]:
    start, stop = share(place.padded_vocab, place.tp, place.rank)
    real = max(0, min(stop, place.vocab) - start)
    # Rows beyond the vocabulary are copies of its last one.
    return [(0, start, real)] + [(0, place.vocab - 1, 1)] * (stop - start - real)


def _unpacked(cut: str, shapes: Sequence[Shape], place: Place) -> List[Tuple[int, int, int]]:
    """Source, first row and rows of each block, in the order of a packed tensor."""
    if len(shapes) > 1:
        return [(number, 0, shape[0]) for number, shape in enumerate(shapes)]
    if cut == mapping.GATE_UP:
        half = shapes[0][0] // 2
        return [(0, 0, half), (0, half, half)]
    queries, keys = place.heads * place.head_dim, place.kv_heads * place.head_dim
    return [(0, 0, queries), (0, queries, keys), (0, queries + keys, keys)]


def _heads(heads: Sequence[Tuple[int, int]]) -> int:
    return sum(count for _first, count in heads)
