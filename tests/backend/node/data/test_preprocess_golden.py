"""The data stage against files that the reference program wrote."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from backend.node.data import preprocess

pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "preprocess"
CASES = {
    "plain": ("train-00000-of-00001-a09b74b3ef9c3b56.parquet", "llama4k", ["text"], False, None),
    "eod-seq256": ("edge.jsonl", "bytelevel4k", ["text"], True, 256),
    "three-keys": ("edge.jsonl", "llama4k", ["instruction", "input", "output"], True, 300),
}

if not GOLDEN.is_dir():
    pytest.skip("the reference files are not on this machine", allow_module_level=True)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("case", CASES)
def test_writes_the_same_bytes(case: str, tmp_path: Path) -> None:
    file, tokenizer, keys, eod, seq_length = CASES[case]
    # A copy, so that a read-only shared folder is enough.
    source = shutil.copy(GOLDEN / "pretrain" / file, tmp_path / file)
    job: dict[str, Any] = {
        "input": str(source),
        "output_prefix": str(tmp_path / "made" / "out"),
        "tokenizer": str(GOLDEN / "tokenizers" / tokenizer),
        "tokenizer_type": "PretrainedFromHF",
        "handler": "GeneralPretrainHandler",
        "json_keys": keys,
        "append_eod": eod,
        "workers": 1,
        "seq_length": seq_length,
    }
    preprocess.run(job)
    expected = sorted((GOLDEN / "pretrain" / case).glob("out_*"))
    assert len(expected) == 2 * len(keys)
    for path in expected:
        assert digest(tmp_path / "made" / path.name) == digest(path), path.name
