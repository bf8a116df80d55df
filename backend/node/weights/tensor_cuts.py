"""The piece of a part that one tensor parallel rank holds, and the way back from all pieces to the sources.

Arrays are of any numpy dtype (bf16 as its bits). What comes back is a view where that is possible, so it may
be read-only or not contiguous: never write to it. Rows of a head keep their order, there is no rotary
permutation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, NamedTuple, Sequence

from backend.node.weights.families import mapping
from backend.node.weights.layout import share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backend.node.weights.model import Model

    Piece = NDArray[Any]


class Place(NamedTuple):
    """Rank `rank` of `tp`, and what a cut must know of the model. The way back does not look at `rank`."""

    rank: int
    tp: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    padded_vocab: int


def place_of(model: Model, tp: int, padded_vocab: int, rank: int = 0) -> Place:
    return Place(rank, tp, model.heads, model.kv_heads, model.head_dim, model.vocab, padded_vocab)


def piece(cut: str, sources: Sequence[Piece], place: Place) -> Piece:
    """What rank `place.rank` holds of the whole Hugging Face tensors `sources` (packed ones are one source).

    Shapes must have been checked: whole groups, equal shares.
    """
    import numpy as np

    if cut == mapping.COPY:
        return sources[0]
    if cut == mapping.COLUMNS:
        return _share(sources[0], place, axis=1)
    if cut == mapping.VOCABULARY:
        return _vocabulary(sources[0], place)
    if cut == mapping.GATE_UP:
        return np.concatenate([_share(half, place) for half in _unpacked(cut, sources, place)])
    queries, keys, values = (_share(block, place) for block in _unpacked(cut, sources, place))
    rest = queries.shape[1:]
    groups = place.kv_heads // place.tp
    blocks = [block.reshape(groups, -1, place.head_dim, *rest) for block in (queries, keys, values)]
    return np.concatenate(blocks, axis=1).reshape(-1, *rest)


def whole(cut: str, pieces: Sequence[Piece], place: Place, count: int = 0) -> List[Piece]:
    """The `count` sources from the pieces of all ranks, in the order of the ranks: the inverse of `piece`.

    `count` 0 is one source for each block: q, k, v, or gate, up. The vocabulary is cut to `place.vocab` rows.
    """
    number = count or len(BLOCKS.get(cut, (0,)))
    return [source(cut, pieces, place, index, number) for index in range(number)]


def source(cut: str, pieces: Sequence[Piece], place: Place, index: int, count: int) -> Piece:
    """Source `index` of `count` alone: copies no more than what it returns."""
    import numpy as np

    if cut == mapping.COPY:
        return pieces[0]
    if cut == mapping.COLUMNS:
        return _joined(pieces, axis=1)
    if cut == mapping.VOCABULARY:
        return _joined(pieces)[: place.vocab]
    blocks = BLOCKS[cut] if count == 1 else BLOCKS[cut][index : index + 1]
    if cut == mapping.GATE_UP:
        return _joined([one.reshape(2, -1, *one.shape[1:])[block] for block in blocks for one in pieces])
    queries = place.heads // place.kv_heads
    rows = (slice(0, queries), slice(queries, queries + 1), slice(queries + 1, queries + 2))
    rest = pieces[0].shape[1:]
    grouped = [one.reshape(-1, queries + 2, place.head_dim, *rest) for one in pieces]
    total = sum(len(one) for one in grouped) * place.head_dim
    out = np.empty((total * (queries + 2 if count == 1 else _width(rows[blocks[0]])), *rest), pieces[0].dtype)
    start = 0
    for block in blocks:
        for one in grouped:
            part = one[:, rows[block]]
            size = part.shape[0] * part.shape[1] * place.head_dim
            out[start : start + size].reshape(part.shape)[...] = part
            start += size
    return out


# Blocks of a part with several sources, in the order of a packed tensor.
BLOCKS = {mapping.QKV: (0, 1, 2), mapping.GATE_UP: (0, 1)}


def _width(rows: slice) -> int:
    return int(rows.stop - rows.start)


def _unpacked(cut: str, sources: Sequence[Piece], place: Place) -> List[Piece]:
    """The blocks of a packed tensor as views; sources that are not packed as they are."""
    if len(sources) > 1:
        return list(sources)
    packed = sources[0]
    if cut == mapping.GATE_UP:
        half = len(packed) // 2
        return [packed[:half], packed[half:]]
    queries, keys = place.heads * place.head_dim, place.kv_heads * place.head_dim
    return [packed[:queries], packed[queries : queries + keys], packed[queries + keys :]]


def _share(array: Piece, place: Place, axis: int = 0) -> Piece:
    width = array.shape[axis] // place.tp
    part = slice(place.rank * width, (place.rank + 1) * width)
    return array[part] if axis == 0 else array[:, part]


def _vocabulary(array: Piece, place: Place) -> Piece:
    """Rows of a rank; rows beyond the vocabulary are copies of its last one."""
    import numpy as np

    start, stop = share(place.padded_vocab, place.tp, place.rank)
    real = array[start : min(stop, place.vocab)]
    missing = stop - start - len(real)
    if missing == 0:
        return real
    last = array[place.vocab - 1 : place.vocab]
    return np.concatenate([real, np.broadcast_to(last, (missing, *last.shape[1:]))])


def _joined(pieces: Sequence[Piece], axis: int = 0) -> Piece:
    import numpy as np

    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=axis)
