from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest
from block_rows import read

from backend.node.data.packed_stream import GZIP, ZSTD, open_stream, packing
from backend.node.job_lines import JobError

LINES = "".join(
    json.dumps({"text": f"text {number} {number**7}"}) + "\n" for number in range(30_000)
).encode()


def zstd(raw: bytes) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(raw)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.torch
def test_zstd_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(zstd(LINES[:200_000]) + zstd(LINES[200_000:]))
    assert packing(str(path)) == ZSTD
    found = read(path, block_bytes=1000)
    assert len(found.values) == 30_000
    assert found.bad == []


@pytest.mark.torch
def test_zstd_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstd(LINES)[:-5000])
    with pytest.raises(JobError, match=r"a\.jsonl\.zst cannot be unpacked"):
        read(path)


def test_zstd_without_pyarrow_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(JobError, match="packed with zstd, which cannot be unpacked here"):
        read(path)


def test_gzip_in_members(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINES[:200_000]) + gzip.compress(LINES[200_000:]))
    assert packing(str(path)) == GZIP
    assert len(read(path).values) == 30_000


def test_what_is_done_counts_packed_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINES))
    with open_stream(str(path)) as (stream, done):
        assert stream.read(1000) == LINES[:1000]
        assert 0 < done() <= path.stat().st_size
        assert stream.read() == LINES[1000:]
        assert done() == path.stat().st_size
