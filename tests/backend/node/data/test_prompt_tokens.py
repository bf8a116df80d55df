"""What a prompt template does to a tokenizer's special tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizer_folders import byte_level, sentencepiece_like

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.prompt_tokens import NamedTokens, apply_template


def applied(named: NamedTokens, replace_eos: bool, *stop_words: str) -> tuple[NamedTokens, list[str]]:
    added: list[str] = []
    options = TokenizerOptions("", replace_eos=replace_eos, stop_words=stop_words)
    return apply_template(named, options, added.extend), added


def test_the_order_is_end_of_text_then_stop_words() -> None:
    named, added = applied(NamedTokens("<s>", "</s>", None, None), True, "<a>", "<b>", "<c>")
    assert added == ["<a>", "<b>", "<c>"]
    assert named == NamedTokens("<s>", "<a>", None, "<a>", ["<b>", "<c>"])


def test_a_tokenizer_without_an_end_of_text_gets_one() -> None:
    named, added = applied(NamedTokens(None, None, None, "<p>"), False, "<a>")
    assert added == ["<|endoftext|>", "<a>"]
    assert (named.eos, named.pad) == ("<|endoftext|>", "<p>")


def test_so_it_does_by_a_template_without_stop_words() -> None:
    added: list[str] = []
    options = TokenizerOptions("", with_template=True)
    named = apply_template(NamedTokens(None, None, None, None), options, added.extend)
    assert added == ["<|endoftext|>"]
    assert named.eos == named.pad == "<|endoftext|>"


def test_known_additional_tokens_stay_and_are_not_added_again() -> None:
    named, added = applied(NamedTokens(None, "</s>", None, None, ["<a>"]), False, "<a>", "<b>")
    assert added == ["<b>"]
    assert named.additional == ["<a>", "<b>"]


def test_without_a_template_nothing_changes() -> None:
    before = NamedTokens(None, None, None, None)
    assert applied(before, False) == (before, [])


@pytest.mark.torch
def test_the_ids_after_a_template(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")

    def load(folder: Path, *stop_words: str) -> Any:
        options = TokenizerOptions(str(folder), replace_eos=bool(stop_words), stop_words=stop_words)
        return load_encoder(options._replace(encoder="tokenizers"))

    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}
    folder = byte_level(tmp_path / "a", config)
    size = load(folder).vocabulary
    encoder = load(folder, "<new>", "<s>", "<more>")
    assert (encoder.eos, encoder.pad, encoder.token_id("<more>")) == (size, size, size + 1)
    assert encoder.plain(["<new><s><more></s>"]).flat.tolist() == [size, 0, size + 1, 1]
    # The frame of a Llama class keeps its first end of text.
    folder = sentencepiece_like(tmp_path / "b", {"tokenizer_class": "LlamaTokenizer", "add_eos_token": True})
    encoder = load(folder, "<new>")
    assert (encoder.before, encoder.after, encoder.eos) == ([1], [2], encoder.vocabulary - 1)
