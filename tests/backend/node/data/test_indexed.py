from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_files import write_documents

from backend.node.data.indexed import HEADER, MAGIC, IndexedDataset
from backend.node.data.writer import IndexedWriter
from backend.node.job_lines import JobError

DOCUMENTS = st.lists(st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=3), max_size=8)


@settings(deadline=None, max_examples=30)
@given(DOCUMENTS, st.integers(1, 4))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[list[int]]], step: int
) -> None:
    prefix = tmp_path_factory.mktemp("pair") / "x"
    write_documents(prefix, documents, step)
    found = IndexedDataset(str(prefix))
    sequences = [sequence for document in documents for sequence in document]
    assert [found[number].tolist() for number in range(len(found))] == sequences
    assert np.diff(found.documents).tolist() == [len(document) for document in documents]
    lengths = [sum(map(len, document)) for document in documents]
    assert np.diff(found.document_bounds()).tolist() == lengths
    half = len(documents) // 2
    assert found.document_bounds(half).tolist() == found.document_bounds()[half:].tolist()
    assert found.document_bounds(1, half).tolist() == found.document_bounds()[1 : half + 1].tolist()
    # The size that the format prescribes.
    assert prefix.with_suffix(".idx").stat().st_size == 34 + 12 * len(sequences) + 8 * (len(documents) + 1)


def test_the_bytes_of_a_known_pair(tmp_path: Path) -> None:
    write_documents(tmp_path / "x", [[[1, 2]], [], [[3]]])
    assert (tmp_path / "x.bin").read_bytes() == struct.pack("<3i", 1, 2, 3)
    head = b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 4, 2, 4)
    assert (tmp_path / "x.idx").read_bytes() == head + struct.pack("<2i2q4q", 2, 1, 0, 8, 0, 1, 1, 2)


def test_reads_sixteen_bit_tokens(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(struct.pack("<3H", 1, 65000, 3))
    index = HEADER.pack(MAGIC, 1, 8, 2, 2) + struct.pack("<2i2q2q", 2, 1, 0, 4, 0, 2)
    (tmp_path / "x.idx").write_bytes(index)
    found = IndexedDataset(str(tmp_path / "x"))
    assert [found[number].tolist() for number in range(2)] == [[1, 65000], [3]]


@pytest.mark.parametrize(
    "damage",
    [
        lambda index, tokens: (index[:20], tokens),
        lambda index, tokens: (index[:-1], tokens),
        lambda index, tokens: (b"X" + index[1:], tokens),
        lambda index, tokens: (index[:17] + b"\x63" + index[18:], tokens),
        lambda index, tokens: (index, tokens[:-4]),
        lambda index, tokens: (index[:42] + b"\x01" + index[43:], tokens),
        lambda index, tokens: (index[:-8] + b"\x09" + index[-7:], tokens),
    ],
    ids=["cut head", "cut end", "magic", "type code", "short bin", "offset", "documents"],
)
def test_damage_is_refused(tmp_path: Path, damage: object) -> None:
    write_documents(tmp_path / "x", [[[1, 2]], [[3]]])
    paths = (tmp_path / "x.idx", tmp_path / "x.bin")
    for path, content in zip(paths, damage(*(path.read_bytes() for path in paths)), strict=True):  # type: ignore[operator]
        path.write_bytes(content)
    with pytest.raises(JobError, match="is not whole"):
        IndexedDataset(str(tmp_path / "x"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"no such file: .*x\.idx"):
        IndexedDataset(str(tmp_path / "x"))


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with IndexedWriter(str(tmp_path / "x")) as writer:
            writer.add(np.array([1], np.int32), np.array([1]), np.array([1]))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
