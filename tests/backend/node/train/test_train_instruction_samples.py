"""Instruction samples are what a plain loop over the sequences gives, epoch by epoch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from train_data_sets import write_instructions, write_sequences

from backend.node.data.indexed import IndexedDataset
from backend.node.job_lines import JobError
from backend.node.train.instruction_samples import InstructionFiles, InstructionSamples
from backend.node.train.micro_batch import IGNORED

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "preprocess"
GOLDEN_PREFIXES = sorted(
    {
        str(path.parent / path.name.partition("_packed_input_ids_")[0])
        for path in GOLDEN.glob("*/*/*_packed_input_ids_document.idx")
    }
)


@st.composite
def sequences(draw: st.DrawFn) -> list[tuple[list[int], list[int]]]:
    """Ids with their labels: a masked prompt, then the ids; now and then more labels than ids, all masked."""
    found = []
    for _number in range(draw(st.integers(1, 6))):
        ids = draw(st.lists(st.integers(0, 60), max_size=9))
        prompt = draw(st.integers(0, len(ids) + 2))
        found.append((ids, [IGNORED] * prompt + ids[prompt:]))
    return found


def plain_pair(ids: list[int], labels: list[int], seq_length: int) -> tuple[list[int], list[int]]:
    """Position by position: what stands there, and what is to be said next."""
    tokens, targets = [], []
    for place in range(min(seq_length, len(ids) - 1)):
        tokens.append(ids[place])
        targets.append(labels[place + 1])
    return tokens, targets


@settings(max_examples=50)
@given(sequences(), st.integers(1, 8), st.integers(0, 3))
def test_every_epoch_has_each_sequence_once(
    tmp_path_factory: pytest.TempPathFactory,
    data: list[tuple[list[int], list[int]]],
    seq_length: int,
    seed: int,
) -> None:
    prefix = tmp_path_factory.mktemp("data") / "x"
    write_instructions(prefix, [ids for ids, _labels in data], [labels for _ids, labels in data])
    expected = [plain_pair(ids, labels, seq_length) for ids, labels in data]
    files = InstructionFiles(str(prefix))
    if all(label == IGNORED for _tokens, targets in expected for label in targets):
        with pytest.raises(JobError, match=r"no token of .* is learned"):
            InstructionSamples(files, seq_length, seed, 0, len(data))
        return
    samples = InstructionSamples(files, seq_length, seed, 0, len(data))
    for epoch in range(3):
        rows = [samples[epoch * len(data) + place] for place in range(len(data))]
        found = Counter((tuple(tokens.tolist()), tuple(labels.tolist())) for tokens, labels in rows)
        assert found == Counter((tuple(tokens), tuple(labels)) for tokens, labels in expected)


def test_a_sample_depends_only_on_its_number(tmp_path: Path) -> None:
    ids = [[number, number + 1, number + 2] for number in range(50)]
    write_instructions(tmp_path / "x", ids, ids)
    files = InstructionFiles(str(tmp_path / "x"))

    def firsts(samples: InstructionSamples, numbers: list[int]) -> list[int]:
        return [int(samples[number][0][0]) for number in numbers]

    row = firsts(InstructionSamples(files, 8, 5, 10, 40), list(range(90)))
    assert sorted(row[:30]) == sorted(row[30:60]) == list(range(10, 40))
    assert row[:30] != row[30:60]
    jumps = [89, 3, 35, 0, 60]
    assert firsts(InstructionSamples(files, 8, 5, 10, 40), jumps) == [row[number] for number in jumps]
    assert firsts(InstructionSamples(files, 8, 6, 10, 40), list(range(30))) != row[:30]


def test_packed_sets_learn_everything_but_their_padding(tmp_path: Path) -> None:
    ids, labels, mask = [[7, 8, 9, 0, 0]], [[7, 8, 9, IGNORED, IGNORED]], [[7, 8, 9, 1, 1]]
    write_instructions(tmp_path / "x", ids, labels, mask)
    tokens, targets = InstructionFiles(str(tmp_path / "x")).pair(0, 16)
    assert tokens.tolist() == [7, 8, 9, 0]
    assert targets.tolist() == [8, 9, IGNORED, IGNORED]


@pytest.mark.parametrize("column", ["attention_mask", "labels"])
def test_counts_of_sequences_must_agree(tmp_path: Path, column: str) -> None:
    ids = [[1, 2], [3, 4]]
    write_instructions(tmp_path / "x", ids, ids)
    write_sequences(tmp_path / f"x_packed_{column}_document", ids[:1])
    with pytest.raises(JobError, match=rf"x_packed_{column}_document has 1 sequences, .*input_ids.* has 2"):
        InstructionFiles(str(tmp_path / "x"))


def test_fewer_labels_than_ids_are_refused(tmp_path: Path) -> None:
    write_instructions(tmp_path / "x", [[1, 2], [3, 4, 5]], [[1, 2], [3, 4]])
    with pytest.raises(JobError, match=r"sequence 1 of .*x_packed_labels_document has 2 labels for 3 ids"):
        InstructionFiles(str(tmp_path / "x"))


@pytest.mark.parametrize("column", ["input_ids", "attention_mask", "labels"])
def test_a_missing_file_is_named(tmp_path: Path, column: str) -> None:
    write_instructions(tmp_path / "x", [[1, 2]], [[1, 2]])
    (tmp_path / f"x_packed_{column}_document.idx").unlink()
    with pytest.raises(JobError, match=rf"no such file: .*x_packed_{column}_document\.idx"):
        InstructionFiles(str(tmp_path / "x"))


def test_answers_beyond_the_length_are_not_learned(tmp_path: Path) -> None:
    write_instructions(tmp_path / "x", [[1, 2, 3, 4, 5]], [[IGNORED] * 4 + [5]])
    files = InstructionFiles(str(tmp_path / "x"))
    assert InstructionSamples(files, 4, 0, 0, 1)[0][1].tolist() == [IGNORED] * 3 + [5]
    with pytest.raises(JobError, match="all -100 within 3 tokens"):
        InstructionSamples(files, 3, 0, 0, 1)


@pytest.mark.skipif(not GOLDEN_PREFIXES, reason="the reference files are not on this machine")
@pytest.mark.parametrize("prefix", GOLDEN_PREFIXES)
def test_files_of_the_reference_program(prefix: str) -> None:
    ids, labels = (IndexedDataset(f"{prefix}_packed_{column}_document") for column in ("input_ids", "labels"))
    files = InstructionFiles(prefix)
    samples = InstructionSamples(files, 256, 1, 0, len(files))
    found = Counter(
        (tuple(tokens.tolist()), tuple(targets.tolist()))
        for tokens, targets in (samples[number] for number in range(len(files)))
    )
    expected: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for number in range(len(ids)):
        tokens, targets = plain_pair(ids[number].tolist(), labels[number].tolist(), 256)
        expected[tuple(tokens), tuple(targets)] += 1
    assert found == expected
    assert np.sum([label != IGNORED for _tokens, targets in found for label in targets]) > 0
