from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_files import write_documents

from backend.node.data.indexed import IndexedDataset
from backend.node.data.samples import SampleIndex
from backend.node.job_lines import JobError


def dataset(folder: Path, lengths: list[int]) -> IndexedDataset:
    """Documents of distinct, consecutive tokens: a token says where it comes from."""
    starts = np.cumsum([0, *lengths])
    write_documents(
        folder / "x",
        [[list(range(start, start + size))] for start, size in zip(starts, lengths, strict=False)],
    )
    return IndexedDataset(str(folder / "x"))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_samples_cover_every_epoch_once(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], seq_length: int, seed: int
) -> None:
    data = dataset(tmp_path_factory.mktemp("data"), lengths)
    total = sum(lengths)
    # After seq_length epochs a whole number of samples is used up.
    samples = SampleIndex(data, seq_length, seed)
    seen: Counter[int] = Counter()
    for number in range(total):
        sample = samples[number]
        assert sample.dtype == np.int64
        assert len(sample) == seq_length + 1
        seen.update(sample[:-1].tolist())
    assert seen == dict.fromkeys(range(total), seq_length)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 12))
def test_tokens_inside_a_document_follow_one_another(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], seq_length: int
) -> None:
    data = dataset(tmp_path_factory.mktemp("data"), lengths)
    bounds = set(np.cumsum(lengths).tolist())
    starts = {0, *bounds}
    samples = SampleIndex(data, seq_length, 1)
    for number in range(20):
        for token, after in zip(samples[number][:-1], samples[number][1:], strict=True):
            assert after == token + 1 or (int(token) + 1 in bounds and int(after) in starts)


def test_a_sample_depends_only_on_its_number(tmp_path: Path) -> None:
    data = dataset(tmp_path, [7, 5, 11, 2])
    whole = [sample.tolist() for sample in map(SampleIndex(data, 4, 3).__getitem__, range(60))]
    fresh = SampleIndex(data, 4, 3)
    assert [fresh[number].tolist() for number in (59, 0, 31, 7)] == [
        whole[number] for number in (59, 0, 31, 7)
    ]
    other = SampleIndex(data, 4, 4)
    assert [other[number].tolist() for number in range(60)] != whole


def test_epochs_have_different_orders(tmp_path: Path) -> None:
    data = dataset(tmp_path, [4] * 10)
    samples = SampleIndex(data, 4, 0)
    first, second = ([samples[number][0] for number in part] for part in (range(10), range(10, 20)))
    assert sorted(first) == sorted(second)
    assert first != second


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.data())
def test_a_range_of_documents_is_a_data_set_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], draw: st.DataObject
) -> None:
    first = draw.draw(st.integers(0, len(lengths)))
    last = draw.draw(st.integers(first, len(lengths)))
    data = dataset(tmp_path_factory.mktemp("data"), lengths)
    part = lengths[first:last]
    if not any(part):
        with pytest.raises(JobError, match="no tokens"):
            SampleIndex(data, 3, 1, first, last)
        return
    alone = SampleIndex(dataset(tmp_path_factory.mktemp("part"), part), 3, 1)
    samples = SampleIndex(data, 3, 1, first, last)
    assert samples.tokens_per_epoch == sum(part)
    before = sum(lengths[:first])
    for number in range(20):
        assert (samples[number] - before).tolist() == alone[number].tolist()


def test_samples_that_lie_wholly_in_some_epochs(tmp_path: Path) -> None:
    samples = SampleIndex(dataset(tmp_path, [7, 5]), 4, 0)
    # The last sample needs one token more than it has inputs.
    assert [samples.whole_samples(epochs) for epochs in (1, 2, 3)] == [2, 5, 8]
    assert [samples.epochs_for(count) for count in (1, 2, 3, 5, 6, 8)] == [1, 1, 2, 2, 3, 3]


def test_a_number_below_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        SampleIndex(dataset(tmp_path, [4]), 2, 0)[-1]


def test_no_tokens_is_an_error(tmp_path: Path) -> None:
    data = dataset(tmp_path, [0, 0])
    with pytest.raises(JobError, match="no tokens"):
        SampleIndex(data, 2, 0)
