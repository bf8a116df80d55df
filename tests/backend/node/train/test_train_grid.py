"""Ranks have Megatron's order, and every kind of group covers each rank once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.node.train.grid import Grid

sizes = st.integers(1, 5)


def test_places_of_eight_ranks() -> None:
    places = [
        (grid.tp_rank, grid.dp_rank, grid.pp_rank) for grid in (Grid(rank, 2, 2, 2) for rank in range(8))
    ]
    assert places == [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
        (1, 1, 0),
        (0, 0, 1),
        (1, 0, 1),
        (0, 1, 1),
        (1, 1, 1),
    ]
    grid = Grid(1, 2, 2, 2)
    assert grid.tensor_groups() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert grid.data_groups() == [[0, 2], [1, 3], [4, 6], [5, 7]]
    assert grid.embedding_groups() == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert grid.pipeline_groups() == [[0, 4], [1, 5], [2, 6], [3, 7]]


@given(tp=sizes, pp=sizes, dp=sizes, data=st.data())
def test_groups_and_places_agree(tp: int, pp: int, dp: int, data: st.DataObject) -> None:
    world = tp * pp * dp
    grid = Grid(data.draw(st.integers(0, world - 1)), tp, pp, dp)
    assert grid.rank_at(grid.tp_rank, grid.dp_rank, grid.pp_rank) == grid.rank
    for groups in (grid.tensor_groups(), grid.data_groups(), grid.pipeline_groups()):
        assert sorted(rank for group in groups for rank in group) == list(range(world))
    line = next(group for group in grid.pipeline_groups() if grid.rank in group)
    assert line.index(grid.rank) == grid.pp_rank
    ends = {rank for group in grid.embedding_groups() for rank in group}
    assert (grid.rank in ends) == (grid.is_first_stage or grid.is_last_stage)
