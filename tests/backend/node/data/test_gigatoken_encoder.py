"""gigatoken: taken where it is right, noticed where it is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_folders import byte_level, sentencepiece_like

from backend.node.data.encoder import EncoderMismatchError, TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.gigatoken_encoder import spots
from backend.node.data.gigatoken_engine import GigatokenEngine, first_difference
from backend.node.data.ragged import Ragged, lists, ragged
from backend.node.job_lines import JobError

pytest.importorskip("tokenizers")
pytest.importorskip("gigatoken")
pytestmark = pytest.mark.torch
WORDS = [
    "<s>",
    "</s>",
    "<unk>",
    " ",
    "\n",
    "a",
    "few",
    "é",
    "e\u0301",
    "词",
    "\t",
    "1",
    "#",
    "▁",
    "'s",
    "😀",
    "<",
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("folders")
    folders = [byte_level(folder / "a", {}), sentencepiece_like(folder / "b")]
    return [load_encoder(TokenizerOptions(str(each), encoder="gigatoken")) for each in folders]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(WORDS)).map("".join) | st.text(st.characters(exclude_categories=["Cs"]))
    )
)
def test_ids_are_those_of_tokenizers(both: list[Any], texts: list[str]) -> None:
    for encoder in both:
        assert encoder.name == "gigatoken"
        pairs = [
            (
                encoder.plain(texts),
                [encoder.tokenizer.encode(text, add_special_tokens=False).ids for text in texts],
            ),
            (encoder.full(texts), [encoder.tokenizer.encode(text).ids for text in texts]),
        ]
        inner = encoder.inner_tokenizer
        pairs.append(
            (encoder.inner(texts), [inner.encode(text, add_special_tokens=False).ids for text in texts])
        )
        for found, wanted in pairs:
            assert lists(found) == wanted


def wrong(texts: list[str], ids: Ragged) -> Ragged:
    """Other ids for texts with an A."""
    return ragged([[7] if "A" in text else part for text, part in zip(texts, lists(ids), strict=True)])


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    real = GigatokenEngine.encode
    monkeypatch.setattr(GigatokenEngine, "encode", lambda self, texts: wrong(texts, real(self, texts)))


@pytest.mark.usefixtures("broken")
def test_a_tokenizer_that_it_reads_wrongly_is_refused(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {})
    with pytest.raises(JobError, match="cannot be used") as caught:
        load_encoder(TokenizerOptions(str(folder), encoder="gigatoken"))
    assert (caught.value.field, "other ids" in caught.value.why) == ("encoder", True)
    encoder = load_encoder(TokenizerOptions(str(folder)))
    assert encoder.name == "tokenizers"
    assert "other ids" in encoder.note
    assert "gigatoken" not in encoder.versions


def test_a_difference_in_a_call_is_noticed(both: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    real = GigatokenEngine.encode
    monkeypatch.setattr(GigatokenEngine, "encode", lambda self, texts: wrong(texts, real(self, texts)))
    for encoder in both:
        for texts in (["A"], ["x", "A"], ["A", "x"], ["x", "a longer A", "y"], ["A" * 5000, "x"]):
            for method in (encoder.plain, encoder.inner, encoder.full):
                with pytest.raises(EncoderMismatchError, match="A"):
                    method(texts)
        assert len(encoder.plain(["x", "y"]).lengths) == 2


def test_added_tokens_that_it_finds_otherwise_go_through_tokenizers(tmp_path: Path) -> None:
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "split_special_tokens": True}
    encoder: Any = load_encoder(TokenizerOptions(str(byte_level(tmp_path, config)), encoder="gigatoken"))
    texts = ["a", "x<s>y", "", "</s>", "few words"]
    found = encoder.plain(texts)
    assert lists(found) == [encoder.tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    assert 0 not in found.flat
    assert lists(encoder.plain(["<s>"])) == [encoder.tokenizer.encode("<s>").ids]


def test_a_failure_of_gigatoken_is_a_mismatch(both: list[Any]) -> None:
    class Failing:
        def encode_batch(self, texts: list[str], parallel: bool) -> Any:
            raise RuntimeError("no more")

    engine = GigatokenEngine(both[0].tokenizer)
    engine._fast = Failing()
    with pytest.raises(EncoderMismatchError, match="no more"):
        engine.encode(["x"])


def test_it_is_not_believed_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gigatoken", None)
    folder = byte_level(tmp_path, {})
    encoder = load_encoder(TokenizerOptions(str(folder)))
    assert (encoder.name, encoder.note) == ("tokenizers", "gigatoken is not installed")
    with pytest.raises(JobError, match="cannot be used"):
        load_encoder(TokenizerOptions(str(folder), encoder="gigatoken"))


def test_a_tokenizer_that_it_cannot_read_falls_back(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["model"] = {"type": "WordLevel", "vocab": {"a": 2, "[U]": 3}, "unk_token": "[U]"}

    folder = byte_level(tmp_path, {}, change=change)
    encoder = load_encoder(TokenizerOptions(str(folder)))
    assert encoder.name == "tokenizers"
    assert encoder.note
    with pytest.raises(JobError, match="cannot be used"):
        load_encoder(TokenizerOptions(str(folder), encoder="gigatoken"))


@given(st.lists(st.text(max_size=3000), min_size=1))
def test_the_texts_looked_at_are_few_and_always_the_same(texts: list[str]) -> None:
    rows = spots(texts)
    assert rows == spots(list(texts))
    assert {0, len(texts) - 1} <= set(rows) <= set(range(len(texts)))
    assert len(rows) <= 4


def test_the_first_difference() -> None:
    texts = ["a", "b", "c"]
    one = ragged([[1], [2, 3], []])
    assert first_difference(texts, one, ragged([[1], [2, 3], []])) is None
    assert first_difference(texts, one, ragged([[1], [2, 4], []])) == "b"
    assert first_difference(texts, one, ragged([[1], [2], [3]])) == "b"
    assert first_difference([], ragged([]), Ragged(np.empty(0, np.int32), np.empty(0, np.int64))) is None


@pytest.mark.parametrize(
    "text",
    ["x " * 200 + "a\u0897\u0334", "\U000105d2\u0307 " + "y" * 900, "\u07fd\u0334", "a\u1acf\u0334 b" * 99],
)
def test_marks_of_a_newer_unicode_are_left_to_tokenizers(tmp_path: Path, text: str) -> None:
    folder = byte_level(tmp_path, {})
    quick, slow = (
        load_encoder(TokenizerOptions(str(folder), encoder=name)) for name in ("gigatoken", "tokenizers")
    )
    assert quick.name == "gigatoken"
    assert lists(quick.plain(["first", text, "last"])) == lists(slow.plain(["first", text, "last"]))


def test_an_engine_that_has_seen_much_is_made_anew(both: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.node.data import gigatoken_engine

    monkeypatch.setattr(gigatoken_engine, "_REMEMBERED", 50)
    for encoder in both:
        engine = GigatokenEngine(encoder.tokenizer)
        before = engine._fast
        texts = [f"some words {number}" for number in range(20)]
        for _round in range(3):
            assert engine.differs(texts) is None
        assert engine._fast is not before
