"""Many lists of ids as two arrays: all ids in a row, and the length of each list."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, NamedTuple, Sequence, Union

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Ragged(NamedTuple):
    """`flat`: all ids one after the other, int32 [sum of lengths]; `lengths`: int64 [lists]."""

    flat: NDArray[np.int32]
    lengths: NDArray[np.int64]


Piece = Union[Sequence[int], Ragged]


def ragged(lists: Sequence[Sequence[int]]) -> Ragged:
    """Lists of ids as one `Ragged`."""
    import numpy as np

    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    pieces = [np.array(ids, np.int32) for ids in lists]
    return Ragged(np.concatenate(pieces) if pieces else np.empty(0, np.int32), lengths)


def starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each list begins in `flat`: int64 [lists]."""
    import numpy as np

    begins: NDArray[np.int64] = np.cumsum(lengths) - lengths
    return begins


def weave(count: int, pieces: Sequence[Piece]) -> Ragged:
    """`count` lists, each the row-wise join of `pieces`: a plain list of ids stands in every row."""
    import numpy as np

    lengths = np.zeros(count, np.int64)
    for piece in pieces:
        lengths += piece.lengths if isinstance(piece, Ragged) else len(piece)
    flat = np.empty(int(lengths.sum()), np.int32)
    at = starts(lengths)
    for piece in pieces:
        if isinstance(piece, Ragged):
            put(flat, at, piece)
            at = at + piece.lengths
        else:
            for ident in piece:
                flat[at] = ident
                at = at + 1
    return Ragged(flat, lengths)


def put(flat: NDArray[np.int32], at: NDArray[np.int64], piece: Ragged) -> None:
    """Copy list i of `piece` to `flat[at[i]:]`, for all i; the places must not overlap."""
    import numpy as np

    if len(piece.lengths) == 0:
        return
    shift = np.repeat(at - starts(piece.lengths), piece.lengths)
    shift += np.arange(len(piece.flat))
    flat[shift] = piece.flat


def take(source: Ragged, wanted: NDArray[np.bool_]) -> Ragged:
    """Only the lists whose flag is set: bool [lists]."""
    import numpy as np

    if wanted.all():
        return source
    return Ragged(source.flat[np.repeat(wanted, source.lengths)], source.lengths[wanted])


def join(pieces: List[Ragged]) -> Ragged:
    """The lists of all pieces, one after the other."""
    import numpy as np

    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return Ragged(np.empty(0, np.int32), np.empty(0, np.int64))
    return Ragged(
        np.concatenate([piece.flat for piece in pieces]), np.concatenate([piece.lengths for piece in pieces])
    )


def lists(source: Ragged) -> List[List[int]]:
    """The same as Python lists, for tests and for few rows."""
    import numpy as np

    return (
        [part.tolist() for part in np.split(source.flat, np.cumsum(source.lengths)[:-1])]
        if len(source.lengths)
        else []
    )
