"""Reading tokenizer.model files, written here field by field."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.ragged import lists
from backend.node.data.sentencepiece_model import llama_tokenizer_json
from backend.node.job_lines import JobError

NORMAL, UNKNOWN, CONTROL, USER, BYTE = 1, 2, 3, 4, 6
PIECES = [
    ("<unk>", 0.0, UNKNOWN),
    ("<s>", 0.0, CONTROL),
    ("</s>", 0.0, CONTROL),
    ("<x>", 0.0, USER),
    *((f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)),
    ("▁a", -1.0, NORMAL),
    ("ab", -0.5, NORMAL),
    ("▁ab", -2.0, NORMAL),
    ("▁", -3.0, NORMAL),
    ("a", -3.5, NORMAL),
    ("b", -4.0, NORMAL),
]
FIRST = 260


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def message(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def model(pieces: list[tuple[str, float, int]], kind: int = 2) -> bytes:
    """A ModelProto: pieces, a trainer's setting that nobody reads, the model type."""
    written = b"".join(
        message(
            1,
            message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + varint(3 << 3) + varint(number),
        )
        for text, score, number in pieces
    )
    return written + message(2, message(1, b"input.txt") + varint(3 << 3) + varint(kind))


def test_merges_follow_the_scores_and_tokens_the_types() -> None:
    content = llama_tokenizer_json(model(PIECES))
    assert content["model"]["merges"] == ["a b", "▁ a", "▁a b", "▁ ab"]
    assert content["model"]["vocab"]["▁ab"] == FIRST + 2
    added = [(token["id"], token["content"], token["special"]) for token in content["added_tokens"]]
    assert added == [(0, "<unk>", True), (1, "<s>", True), (2, "</s>", True), (3, "<x>", False)]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({}, [1, FIRST + 2, 3]),
        ({"add_prefix_space": False, "add_bos_token": False}, [FIRST + 1, 3]),
        ({"legacy": False, "add_eos_token": True}, [1, FIRST + 2, 3, 2]),
    ],
)
def test_a_folder_with_only_the_model(tmp_path: Path, config: dict[str, bool], found: list[int]) -> None:
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer.model").write_bytes(model(PIECES))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "LlamaTokenizer", **config})
    )
    ids = lists(load_encoder(TokenizerOptions(str(tmp_path), encoder="tokenizers")).full(["ab<x>"]))[0]
    assert ids == found


@pytest.mark.parametrize(
    "data", [b"", b"no model", model(PIECES)[:-40], model(PIECES, kind=1), model(PIECES[:2])]
)
def test_what_is_no_model_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        llama_tokenizer_json(data)
    (tmp_path / "tokenizer.model").write_bytes(data)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    with pytest.raises(JobError, match="cannot read") as caught:
        load_encoder(TokenizerOptions(str(tmp_path)))
    assert caught.value.field == "tokenizer"


@given(st.binary(max_size=60))
def test_any_bytes_give_a_model_or_one_kind_of_error(noise: bytes) -> None:
    for data in (noise, model(PIECES[:5])[:20] + noise, message(1, noise)):
        with pytest.raises(ValueError, match=r"\w"):
            llama_tokenizer_json(data)
