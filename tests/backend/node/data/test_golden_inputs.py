from __future__ import annotations

import json
from pathlib import Path

import pytest
from block_rows import read

from backend.node.data.blocks import column_names

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "preprocess"
INPUTS = sorted(path for suffix in ("json", "jsonl") for path in GOLDEN.glob(f"*/*.{suffix}"))

pytestmark = pytest.mark.skipif(not INPUTS, reason="the golden inputs are not here")


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_every_record_of_a_golden_input(path: Path) -> None:
    content = path.read_text(encoding="utf-8-sig").strip()
    lines = [line for line in content.split("\n") if line.strip()]
    records = json.loads(content) if content.startswith("[") else [json.loads(line) for line in lines]
    names = column_names(str(path))
    for block_bytes in (1000, 1 << 20):
        found = read(path, *names, block_bytes=block_bytes)
        assert found.bad == []
        assert found.values == [tuple(record.get(name) for name in names) for record in records]


@pytest.mark.torch
def test_the_golden_parquet_file() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for path in GOLDEN.glob("*/*.parquet"):
        expected = parquet.read_table(path).column("text").to_pylist()
        assert read(path, block_bytes=1000).values == [(text,) for text in expected]
