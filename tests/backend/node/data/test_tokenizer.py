"""Class rules of tokenizers, on small tokenizers trained here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backend.node.data.tokenizer import load_encoder
from backend.node.job_lines import JobError

tokenizers = pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch


def folder_with(
    folder: Path, config: dict[str, Any] | None, special: tuple[str, ...] = ("<s>", "</s>")
) -> Path:
    """A byte-level BPE whose special tokens have the ids 0, 1, ... and no post-processor."""
    from tokenizers import models, pre_tokenizers, trainers

    model = tokenizers.Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=list(special), initial_alphabet=alphabet)
    model.train_from_iterator(["a few words to learn from, and a few more words"] * 3, trainer)
    model.enable_truncation(2)
    model.save(str(folder / "tokenizer.json"))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def ids(folder: Path, text: str = "words") -> list[int]:
    flat, lengths = load_encoder(str(folder)).encode([text])
    assert lengths.tolist() == [len(flat)]
    return flat.tolist()


@pytest.mark.parametrize(
    ("extra", "before", "after"),
    [
        ({"tokenizer_class": "LlamaTokenizer"}, [0], []),
        ({"tokenizer_class": "LlamaTokenizerFast", "add_eos_token": True}, [0], [1]),
        ({"tokenizer_class": "LlamaTokenizer", "add_bos_token": False}, [], []),
        ({"tokenizer_class": "GPTNeoXTokenizerFast"}, [], []),
        ({"tokenizer_class": "GPTNeoXTokenizer", "add_bos_token": True}, [0], []),
        ({"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": True}, [], []),
        ({}, [], []),
    ],
)
def test_the_class_decides_the_frame(
    tmp_path: Path, extra: dict[str, Any], before: list[int], after: list[int]
) -> None:
    named = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": None}
    folder = folder_with(tmp_path, {**named, **extra})
    plain = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    plain.no_truncation()
    text = "a few more words to learn from"
    assert ids(folder, text) == before + plain.encode(text).ids + after
    assert load_encoder(str(folder)).eod == 1


def test_the_model_config_names_the_class_where_the_tokenizer_does_not(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"bos_token": "<s>", "eos_token": "</s>"})
    (folder / "config.json").write_text('{"model_type": "llama"}')
    assert ids(folder)[0] == 0


def test_llama_has_its_own_names_for_special_tokens(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"tokenizer_class": "LlamaTokenizer"})
    assert ids(folder)[0] == 0
    assert load_encoder(str(folder)).eod == 1


def test_named_tokens_are_added_with_the_next_ids(tmp_path: Path) -> None:
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<end>",
        "additional_special_tokens": ["<x>"],
    }
    folder = folder_with(tmp_path, config)
    size = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    assert load_encoder(str(folder)).eod == size
    assert ids(folder, "<x><end>") == [size + 1, size]


def test_the_decoder_table_of_the_config_adds_too(tmp_path: Path) -> None:
    entry = {
        "content": "<x>",
        "lstrip": False,
        "normalized": False,
        "rstrip": False,
        "single_word": False,
        "special": True,
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>",
        "added_tokens_decoder": {"300": entry},
    }
    folder = folder_with(tmp_path, config)
    size = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    assert ids(folder, "<x>") == [size]


def test_special_tokens_map_counts_where_the_class_reads_it(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"})
    (folder / "special_tokens_map.json").write_text('{"eos_token": {"content": "<s>"}}')
    assert load_encoder(str(folder)).eod == 0


def test_the_prefix_rule_of_llama(tmp_path: Path) -> None:
    from tokenizers import models

    words = ["<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "▁b"]
    vocab = {word: number for number, word in enumerate(words)}
    model = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[("▁", "a"), ("▁", "b")], unk_token="<unk>"))
    model.save(str(tmp_path / "tokenizer.json"))

    def found(**config: Any) -> list[int]:
        (tmp_path / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "LlamaTokenizer", **config})
        )
        return ids(tmp_path, "a b")

    assert found(add_prefix_space=True) == [1, 6, 7]
    assert found(add_prefix_space=False) == [1, 4, 7]
    assert found(add_prefix_space=True, legacy=False) == [1, 6, 7]
    assert found(add_prefix_space=False, legacy=False) == [1, 4, 7]
    # Not in the config: tokenizer.json is used as it is, and this one knows no blanks.
    assert found() == [1, 4, 0, 5]


def test_the_end_follows_every_text(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"tokenizer_class": "LlamaTokenizer"})
    encoder = load_encoder(str(folder))
    flat, lengths = encoder.encode(["a", "", "words"], [1])
    one, words = ids(folder, "a"), ids(folder, "words")
    assert flat.tolist() == [*one, 1, 0, 1, *words, 1]
    assert lengths.tolist() == [len(one) + 1, 2, len(words) + 1]
    flat, lengths = encoder.encode([], [1])
    assert (len(flat), len(lengths), flat.dtype.name) == (0, 0, "int32")


def test_no_end_token_is_known_as_none(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"})
    assert load_encoder(str(folder)).eod is None


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has neither"),
        ({"tokenizer_config.json": "{}"}, "has no tokenizer.json"),
        ({"tokenizer_config.json": "{", "tokenizer.json": "{}"}, "cannot read"),
        ({"tokenizer_config.json": "{}", "tokenizer.json": "[]"}, "cannot read"),
        ({"tokenizer_config.json": "{}", "tokenizer.json": '{"model": 3}'}, "cannot read tokenizer.json"),
    ],
)
def test_a_folder_that_gives_none_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(JobError, match=message) as caught:
        load_encoder(str(tmp_path))
    assert caught.value.field == "tokenizer"


def test_a_frame_without_its_token_is_refused(tmp_path: Path) -> None:
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": None}
    with pytest.raises(JobError, match="adds bos_token"):
        load_encoder(str(folder_with(tmp_path, config)))
