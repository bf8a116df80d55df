"""Folders that only transformers can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizer_folders import byte_level

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.ragged import lists
from backend.node.job_lines import JobError

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

# A slow tokenizer as models bring it along: one id a character, an end of text after each text.
OWN_CODE = """
from transformers import PreTrainedTokenizer


class LetterTokenizer(PreTrainedTokenizer):
    def __init__(self, **settings):
        self.letters = {letter: number for number, letter in enumerate("abcdefgh \\n")}
        super().__init__(**settings)

    vocab_size = property(lambda self: len(self.letters))

    def get_vocab(self):
        return {**self.letters, **self.added_tokens_encoder}

    def _tokenize(self, text, **settings):
        return list(text)

    def _convert_token_to_id(self, token):
        return self.letters.get(token, 0)

    def _convert_id_to_token(self, number):
        return "abcdefgh \\n"[number]

    def convert_tokens_to_string(self, tokens):
        return "".join(tokens)

    def build_inputs_with_special_tokens(self, ids, more=None):
        return ids + [self.convert_tokens_to_ids("<end>")]
"""


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TokenizerOptions:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "letters.py").write_text(OWN_CODE)
    config = {"tokenizer_class": "LetterTokenizer", "eos_token": "<end>"}
    config["auto_map"] = {"AutoTokenizer": ["letters.LetterTokenizer", None]}  # type: ignore[assignment]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return TokenizerOptions(str(folder), trust_remote_code=True)


def test_code_of_the_folder_runs_when_allowed(own_code: TokenizerOptions) -> None:
    encoder: Any = load_encoder(own_code)
    assert (encoder.name, encoder.cuts) == ("transformers", "")
    assert encoder.versions == {"transformers": transformers.__version__}
    end = encoder.eos
    assert lists(encoder.plain(["abc", "", "a\nb"])) == [[0, 1, 2], [], [0, 9, 1]]
    assert lists(encoder.full(["abc", ""])) == [[0, 1, 2, end], [end]]
    assert (encoder.before, encoder.after, encoder.pad) == ([], [end], end)
    assert encoder.decode([0, 1, -100, end]) == "ab<-100><end>"
    assert encoder.vocabulary == end + 1
    assert "<end>" in encoder.special_texts
    assert (encoder.token_id("c"), encoder.token_id("z")) == (2, None)
    assert encoder.plain([]).lengths.tolist() == []


def test_a_template_changes_it_too(own_code: TokenizerOptions) -> None:
    before: Any = load_encoder(own_code)
    encoder: Any = load_encoder(own_code._replace(replace_eos=True, stop_words=("<stop>", "<more>")))
    assert encoder.eos == before.vocabulary
    assert lists(encoder.plain(["a<more>b<stop>"])) == [[0, encoder.eos + 1, 1, encoder.eos]]


def test_gigatoken_cannot_stand_in(own_code: TokenizerOptions) -> None:
    with pytest.raises(JobError, match="gigatoken cannot be used"):
        load_encoder(own_code._replace(encoder="gigatoken"))


def test_the_release_is_named_where_it_is_not_the_reference(own_code: TokenizerOptions) -> None:
    note = load_encoder(own_code).note
    assert (transformers.__version__ in note) != transformers.__version__.startswith("4.43.")


def test_a_file_that_it_cannot_read_is_named_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "GemmaTokenizer"}')
    (tmp_path / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(JobError, match="cannot read the tokenizer in") as caught:
        load_encoder(TokenizerOptions(str(tmp_path)))
    assert "tokenizer.model" in caught.value.why
    assert caught.value.fix


def test_a_slow_tokenizer_is_not_silently_a_fast_one(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {"tokenizer_class": "Qwen2Tokenizer"})
    (folder / "vocab.json").write_text(
        json.dumps(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    )
    (folder / "merges.txt").write_text("#version: 0.2\n")
    options = TokenizerOptions(str(folder), use_fast=False)
    if int(transformers.__version__.split(".")[0]) >= 5:
        with pytest.raises(JobError, match="has no slow tokenizer") as caught:
            load_encoder(options)
        assert caught.value.field == "use_fast"
    else:
        assert load_encoder(options).name == "transformers"


def test_a_class_that_is_always_fast_stays_so(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"})
    assert load_encoder(TokenizerOptions(str(folder), use_fast=False)).name != "transformers"
