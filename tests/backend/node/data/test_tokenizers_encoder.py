"""The face of every encoder, over the tokenizers library."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tokenizer_folders import byte_level, sentencepiece_like

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.ragged import lists

tokenizers = pytest.importorskip("tokenizers")
pytestmark = pytest.mark.torch
TEXTS = ["a few words", "", " ", "我们 <s>x</s>\n\n", "words " * 50]


@pytest.fixture(params=["tokenizers", "gigatoken"])
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "gigatoken":
        pytest.importorskip("gigatoken")
    return load_encoder(TokenizerOptions(str(sentencepiece_like(tmp_path)), encoder=request.param))


def test_ids_are_those_of_the_library(encoder: Any) -> None:
    reference = encoder.tokenizer
    plain, full, inner = encoder.plain(TEXTS), encoder.full(TEXTS), encoder.inner(TEXTS)
    assert lists(plain) == [reference.encode(text, add_special_tokens=False).ids for text in TEXTS]
    assert lists(full) == [reference.encode(text).ids for text in TEXTS]
    assert plain.flat.dtype.name == full.flat.dtype.name == "int32"
    assert plain.lengths.dtype.name == "int64"
    blank = encoder.token_id("▁")
    assert blank is not None
    assert lists(encoder.plain(["\nx"]))[0] == [blank, *lists(encoder.inner(["\nx"]))[0]]
    assert len(inner.lengths) == len(TEXTS)


def test_no_texts_give_no_ids(encoder: Any) -> None:
    for method in (encoder.plain, encoder.inner, encoder.full):
        assert (len(method([]).flat), len(method([]).lengths)) == (0, 0)


def test_several_threads_get_the_same_ids(encoder: Any) -> None:
    wanted = encoder.full(TEXTS).flat.tolist()
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _number: encoder.full(TEXTS).flat.tolist(), range(20))
        assert all(ids == wanted for ids in found)


def test_what_is_known_of_the_tokenizer(encoder: Any) -> None:
    assert (encoder.bos, encoder.eos, encoder.unknown, encoder.pad) == (1, 2, 0, 2)
    assert (encoder.before, encoder.after) == ([1], [])
    assert encoder.special_texts == ("<unk>", "<s>", "</s>")
    assert encoder.vocabulary == max(encoder.tokenizer.get_vocab().values()) + 1
    assert encoder.versions["tokenizers"] == tokenizers.__version__
    assert encoder.token_id("<0x41>") == 3 + 0x41
    assert encoder.token_id("no such token") is None


def test_decoding_shows_special_and_unknown_ids(encoder: Any) -> None:
    ids = encoder.full(["a few words"]).flat.tolist()
    assert encoder.decode(ids) == "<s> a few words"
    assert encoder.decode([2, -100, 99999, 1]) == "</s><-100><99999><s>"
    assert encoder.decode([]) == ""


def test_truncation_of_the_file_is_off(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {})
    assert '"max_length":2' in (folder / "tokenizer.json").read_text().replace(" ", "")
    assert len(load_encoder(TokenizerOptions(str(folder))).plain(["a few more words"]).flat) > 2
