"""Ids that ModelLink itself wrote, from the same texts and tokenizers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.ragged import lists

pytest.importorskip("tokenizers")
pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).resolve().parents[5] / "shared" / "golden" / "preprocess"


@pytest.fixture(params=["tokenizers", "gigatoken"])
def engine(request: pytest.FixtureRequest) -> str:
    if not GOLDEN.is_dir():
        pytest.skip("the golden files are not there")
    if request.param == "gigatoken":
        pytest.importorskip("gigatoken")
    return str(request.param)


def encoder_of(name: str, engine: str, **more: Any) -> Any:
    return load_encoder(TokenizerOptions(str(GOLDEN / "tokenizers" / name), encoder=engine, **more))


def written(path: str) -> list[int]:
    return np.fromfile(GOLDEN / path, np.int32).tolist()


def test_parquet_texts_of_a_llama(engine: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(next((GOLDEN / "pretrain").glob("*.parquet")), columns=["text"])
    texts = [text for text in table["text"].to_pylist() if text]
    found = encoder_of("llama4k", engine).full(texts)
    assert found.flat.tolist() == written("pretrain/plain/out_text_document.bin")


def test_edge_cases_of_a_byte_level_vocabulary(engine: str) -> None:
    with (GOLDEN / "pretrain" / "edge.jsonl").open(encoding="utf-8") as stream:
        texts = [text for text in (json.loads(line)["text"] for line in stream) if text]
    encoder = encoder_of("bytelevel4k", engine)
    rows = [[*ids, encoder.eos] for ids in lists(encoder.full(texts))]
    kept = [ident for row in rows if len(row) < 256 for ident in row]
    assert kept == written("pretrain/eod-seq256/out_text_document.bin")


@pytest.mark.parametrize(
    ("name", "case", "options"),
    [
        ("bytelevel4k", "prompt-type/sharegpt-qwen", {"replace_eos": True, "stop_words": ("<|im_end|>",)}),
        ("llama4k", "prompt-type/sharegpt-llama2", {}),
    ],
)
def test_template_rows_decode_and_hold_their_end_of_text(
    engine: str, name: str, case: str, options: dict[str, Any]
) -> None:
    encoder = encoder_of(name, engine, **options)
    ids = written(f"{case}/out_packed_input_ids_document.bin")
    assert max(ids) < encoder.vocabulary
    assert encoder.eos in ids
    assert "<0x" not in encoder.decode(ids[:500])
