"""Where texts may be cut: what is promised, and that it holds for texts of any kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizer_folders import BLANKS, byte_level, sentencepiece_like

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.text_cuts import cuts_of

pytest.importorskip("tokenizers")
pytestmark = pytest.mark.torch

METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
TEXTS = st.text(st.sampled_from("ab \n\t#é中\u0301▁.1\r<>0xA😀") | st.characters(exclude_categories=["Cs"]))


def cuts(folder: Path) -> str:
    return cuts_of(json.loads((folder / "tokenizer.json").read_text()))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = sentencepiece_like(tmp_path_factory.mktemp("llama"))
    return load_encoder(TokenizerOptions(str(folder), encoder="tokenizers"))


@pytest.fixture(scope="module")
def newer_llama(tmp_path_factory: pytest.TempPathFactory) -> Any:
    def change(content: dict[str, Any]) -> None:
        content.update(normalizer=None, pre_tokenizer=METASPACE)

    folder = sentencepiece_like(tmp_path_factory.mktemp("newer"), change=change)
    return load_encoder(TokenizerOptions(str(folder), encoder="tokenizers"))


@pytest.fixture(scope="module")
def byte_words(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = byte_level(tmp_path_factory.mktemp("bytes"), {})
    return load_encoder(TokenizerOptions(str(folder), encoder="tokenizers"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS)
def test_a_newline_is_a_border(llama: Any, newer_llama: Any, left: str, right: str) -> None:
    for encoder in (llama, newer_llama):
        assert encoder.cuts == "newlines"
        for head, tail in ((left + "\n", right), ("x" + left, "\n" + right)):
            whole = encoder.plain([head + tail]).flat.tolist()
            assert whole == encoder.plain([head]).flat.tolist() + encoder.inner([tail]).flat.tolist()


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS)
def test_a_word_border_is_a_border(byte_words: Any, left: str, right: str) -> None:
    assert byte_words.cuts == "words"
    head, tail = f"{left}\n###", f" Response:\n{right}"
    whole = byte_words.plain([head + tail]).flat.tolist()
    assert whole == byte_words.plain([head]).flat.tolist() + byte_words.inner([tail]).flat.tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["model"].update(dropout=0.1),
        lambda content: content["model"].update(continuing_subword_prefix="##"),
        lambda content: content.update(normalizer={"type": "Lowercase"}),
        lambda content: content.update(normalizer={"type": "NFKC"}),
        lambda content: content.update(pre_tokenizer=None),
        lambda content: content["pre_tokenizer"]["pretokenizers"][0].update(behavior="Removed"),
        lambda content: content["pre_tokenizer"]["pretokenizers"].pop(0),
        lambda content: content["pre_tokenizer"]["pretokenizers"][1].update(add_prefix_space=True),
        lambda content: content["added_tokens"][0].update(normalized=True, content="<é>"),
    ],
)
def test_what_keeps_a_byte_level_tokenizer_from_being_cut(tmp_path: Path, change: Any) -> None:
    assert cuts(byte_level(tmp_path / "a", {})) == "words"
    assert cuts(byte_level(tmp_path / "b", {}, change=change)) == ""


@pytest.mark.parametrize(
    "normalizer",
    [None, {"type": "Sequence", "normalizers": []}, {"type": "Sequence", "normalizers": [{"type": "NFC"}]}],
)
def test_normalizers_that_leave_word_borders_alone(tmp_path: Path, normalizer: Any) -> None:
    assert (
        cuts(byte_level(tmp_path, {}, change=lambda content: content.update(normalizer=normalizer)))
        == "words"
    )


def test_ignored_merges_do_not_cross_words(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["model"]["ignore_merges"] = True

    assert cuts(byte_level(tmp_path, {}, change=change)) == "words"


def without_byte(content: dict[str, Any]) -> None:
    del content["model"]["vocab"]["<0x41>"]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["model"]["vocab"].update({"\n\n": 900}),
        lambda content: content["model"]["vocab"].update({"▁\n": 900}),
        lambda content: content["model"]["vocab"].update({"<0x0A><0x0A>": 900}),
        lambda content: content["model"].update(byte_fallback=False),
        lambda content: content["model"].update(ignore_merges=True),
        without_byte,
        lambda content: content.update(normalizer=None),
        lambda content: content.update(normalizer={"type": "Sequence", "normalizers": BLANKS[::-1]}),
        lambda content: content.update(normalizer=None, pre_tokenizer={**METASPACE, "split": True}),
        lambda content: content.update(
            normalizer=None, pre_tokenizer={**METASPACE, "prepend_scheme": "always"}
        ),
    ],
)
def test_what_keeps_a_sentencepiece_like_tokenizer_from_being_cut(tmp_path: Path, change: Any) -> None:
    assert cuts(sentencepiece_like(tmp_path, change=change)) == ""


def test_a_tokenizer_without_a_blank_in_front_is_cut_too(tmp_path: Path) -> None:
    folder = sentencepiece_like(tmp_path, change=lambda content: content.update(normalizer=BLANKS[1]))
    assert cuts(folder) == "newlines"
