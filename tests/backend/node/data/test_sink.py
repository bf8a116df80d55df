from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.handlers.handler import Encoded, Part
from backend.node.data.indexed import IndexedDataset
from backend.node.data.pack_writer import PackWriter
from backend.node.data.ragged import ragged
from backend.node.data.sink import Sink, Tally
from backend.node.data.writer import IndexedWriter

# of each row, for each of two outputs: the lengths of its sequences
Row = tuple[list[int], list[int]]
OUTPUTS = ("a", "b")


def encoded(rows: list[Row]) -> Encoded:
    parts = {}
    for place, output in enumerate(OUTPUTS):
        sequences = [[length] * length for row in rows for length in row[place]]
        counts = np.array([len(row[place]) for row in rows], np.int64)
        parts[output] = Part(ragged(sequences), counts)
    return Encoded(len(rows), np.arange(len(rows)), parts, [], [])


def written(
    rows: list[Row], cuts: list[int], seq_length: int, same_rows: bool, borders: list[int], pack: bool = False
) -> tuple[dict[str, tuple[list[list[int]], list[int]]], Tally]:
    """Sequences and document bounds of both outputs, and the counts."""
    folder = Path(tempfile.mkdtemp())
    tally = Tally()
    writers = {output: IndexedWriter(str(folder / output)) for output in OUTPUTS}
    with writers["a"], writers["b"]:
        packer = PackWriter({"input_ids": writers["a"], "labels": writers["b"]}, seq_length, str(folder))
        with packer:
            sink = Sink(writers, tally, seq_length, same_rows, list(borders), packer if pack else None)
            for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
                sink.add(encoded(rows[start:end]))
            sink.finish()
    found = {}
    for output, writer in writers.items():
        writer.publish()
        data = IndexedDataset(str(folder / output))
        found[output] = ([data[i].tolist() for i in range(len(data))], data.documents.tolist())
    shutil.rmtree(folder)
    return found, tally


LENGTHS = st.sampled_from([1, 2, 4, 5, 6])
ROWS = st.lists(
    st.tuples(st.lists(LENGTHS, max_size=1), st.lists(LENGTHS, max_size=1)), min_size=1, max_size=130
)


@given(ROWS, st.data())
def test_blocks_do_not_matter(rows: list[Row], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=4)))
    whole, tally = written(rows, [], 5, False, [])
    pieces, tally_of_pieces = written(rows, cuts, 5, False, [])
    assert pieces == whole
    assert vars(tally_of_pieces) == vars(tally)


@given(ROWS, st.integers(1, 40))
def test_a_border_is_a_new_beginning(rows: list[Row], border: int) -> None:
    """With a border the result is that of two parts made apart and joined."""
    together, _tally = written(rows, [], 5, False, [border])
    first, _tally = written(rows[:border], [], 5, False, [])
    second, _tally = written(rows[border:], [], 5, False, [])
    for output in OUTPUTS:
        shifted = [len(first[output][0]) + bound for bound in second[output][1][1:]]
        expected = (first[output][0] + second[output][0], first[output][1] + shifted)
        assert together[output] == expected


def test_a_dropped_sequence_leaves_an_empty_document_and_an_empty_row_nothing() -> None:
    found, tally = written([([2], [2]), ([], []), ([9], [9]), ([3], [3])], [], 9, True, [])
    assert found["a"] == ([[2, 2], [3, 3, 3]], [0, 1, 1, 2])
    assert (tally.dropped, tally.longest, tally.longest_record, tally.tokens) == (1, 9, 3, 5)
    assert tally.long_records == [{"record": 3, "tokens": 9}]


def test_the_longer_of_two_outputs_drops_the_sample_in_both() -> None:
    found, _tally = written([([2], [9]), ([3], [3])], [], 9, True, [])
    assert found["a"] == ([[3, 3, 3]], [0, 0, 1])
    assert found["b"] == found["a"]


def test_packed_samples_fill_sequences_of_one_length() -> None:
    found, tally = written([([2], [2]), ([3], [3]), ([9], [9]), ([8], [8])], [], 8, True, [], pack=True)
    assert found["a"][0] == [[8] * 8, [3, 3, 3, 2, 2, 0, 0, 0]]
    assert found["b"][0][1] == [3, 3, 3, 2, 2, -100, -100, -100]
    assert found["a"][1] == [0, 1, 2]
    assert (tally.dropped, tally.tokens) == (1, 13)


@pytest.mark.parametrize("border", [1, 2])
def test_subsets_are_packed_apart(border: int) -> None:
    rows: list[Row] = [([2], [2]), ([1], [1]), ([2], [2])]
    found, _tally = written(rows, [], 8, True, [border], pack=True)
    assert len(found["a"][0]) == 2
