from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.weights.piece_stream import pieces

SHAPES = st.lists(st.integers(0, 7), max_size=4)


@given(SHAPES, st.integers(1, 200), st.data())
def test_pieces_are_the_values_in_order(shape: list[int], most: int, data: st.DataObject) -> None:
    whole: Any = np.arange(int(np.prod(shape, dtype=int)), dtype="<u2").reshape(shape)
    view = whole.transpose(data.draw(st.permutations(range(len(shape)))))
    view = view[tuple(slice(None, None, data.draw(st.sampled_from([1, 2]))) for _length in shape)]
    found = list(pieces(view, most))
    assert b"".join(piece.tobytes() for piece in found) == view.tobytes()
    assert all(piece.flags.c_contiguous and piece.ndim == 1 for piece in found)
    assert all(0 < piece.nbytes <= max(most, 2) for piece in found)


@pytest.mark.parametrize("view", [np.zeros((9, 3)), np.zeros(9), np.array(1.0)])
def test_values_that_lie_together_are_not_copied(view: Any) -> None:
    assert all(np.shares_memory(piece, view) for piece in pieces(view, 64))
