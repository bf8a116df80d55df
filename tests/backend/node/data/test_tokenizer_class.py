"""Class rules of tokenizers, on small tokenizers trained here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizer_folders import byte_level, sentencepiece_like

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.job_lines import JobError

tokenizers = pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch
PLAIN = "PreTrainedTokenizerFast"


def load(folder: Path) -> Any:
    return load_encoder(TokenizerOptions(str(folder), encoder="tokenizers"))


def ids(folder: Path, text: str = "words") -> list[int]:
    return load(folder).full([text]).flat.tolist()


def token(text: str, **properties: bool) -> dict[str, Any]:
    names = ("lstrip", "normalized", "rstrip", "single_word", "special")
    return {"content": text, **dict.fromkeys(names, False), **properties}


@pytest.mark.parametrize(
    ("extra", "before", "after"),
    [
        ({"tokenizer_class": "LlamaTokenizer"}, [0], []),
        ({"tokenizer_class": "LlamaTokenizerFast", "add_eos_token": True}, [0], [1]),
        ({"tokenizer_class": "LlamaTokenizer", "add_bos_token": False}, [], []),
        ({"tokenizer_class": "CodeLlamaTokenizer"}, [0], []),
        ({"tokenizer_class": "GemmaTokenizer"}, [0], []),
        ({"tokenizer_class": "CohereTokenizerFast"}, [0], []),
        ({"tokenizer_class": "GPTNeoXTokenizerFast"}, [], []),
        ({"tokenizer_class": "GPTNeoXTokenizer", "add_bos_token": True}, [0], []),
        ({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True}, [], []),
        ({"tokenizer_class": "Qwen2Tokenizer", "add_bos_token": True}, [], []),
        ({"tokenizer_class": PLAIN, "add_bos_token": True}, [], []),
        ({}, [], []),
    ],
)
def test_the_class_decides_the_frame(
    tmp_path: Path, extra: dict[str, Any], before: list[int], after: list[int]
) -> None:
    named = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": None}
    folder = byte_level(tmp_path, {**named, **extra})
    plain = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    plain.no_truncation()
    text = "a few more words to learn from"
    assert ids(folder, text) == before + plain.encode(text).ids + after
    encoder = load(folder)
    assert (encoder.before, encoder.after, encoder.eos) == (before, after, 1)


def test_the_post_processor_of_other_classes_is_used_as_it_is(tmp_path: Path) -> None:
    def frame(content: dict[str, Any]) -> None:
        piece = {"Sequence": {"id": "A", "type_id": 0}}
        mark = {"SpecialToken": {"id": "<s>", "type_id": 0}}
        content["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [mark, piece, mark],
            "pair": [piece, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
        }

    encoder = load(byte_level(tmp_path, {"tokenizer_class": PLAIN}, change=frame))
    assert (encoder.before, encoder.after) == ([0], [0])


def test_the_model_config_names_the_class_where_the_tokenizer_does_not(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {"bos_token": "<s>", "eos_token": "</s>"})
    (folder / "config.json").write_text('{"model_type": "llama"}')
    assert ids(folder)[0] == 0
    (folder / "config.json").write_text(
        '{"model_type": "llama", "tokenizer_class": "PreTrainedTokenizerFast"}'
    )
    assert ids(folder)[0] != 0


def test_a_class_has_its_own_names_for_special_tokens(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {"tokenizer_class": "LlamaTokenizer"})
    encoder = load(folder)
    assert (encoder.before, encoder.eos) == ([0], 1)
    # Llama's <unk> is not there: it gets the next id.
    assert encoder.unknown == encoder.vocabulary - 1


def test_a_name_that_is_null_is_none(tmp_path: Path) -> None:
    config = {"tokenizer_class": "Qwen2Tokenizer", "pad_token": None, "eos_token": None}
    encoder = load(byte_level(tmp_path, config))
    assert (encoder.eos, encoder.pad, encoder.bos) == (None, None, None)


def test_named_tokens_are_added_with_the_next_ids(tmp_path: Path) -> None:
    config = {"tokenizer_class": PLAIN, "eos_token": "<end>", "additional_special_tokens": ["<x>"]}
    folder = byte_level(tmp_path, config)
    size = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    encoder = load(folder)
    assert (encoder.eos, encoder.pad, encoder.vocabulary) == (size, size, size + 2)
    assert ids(folder, "<x><end>") == [size + 1, size]
    assert set(encoder.special_texts) == {"<s>", "</s>", "<end>", "<x>"}


def test_the_decoder_table_of_the_config_adds_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    table = {"900": token("<y>", special=True), "20": token("<x>", special=True)}
    folder = byte_level(
        tmp_path, {"tokenizer_class": PLAIN, "eos_token": "</s>", "added_tokens_decoder": table}
    )
    size = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    assert ids(folder, "<y><x>") == [size + 1, size]


def test_the_decoder_table_changes_how_a_token_is_found(tmp_path: Path) -> None:
    table = {"1": token("</s>", special=True, rstrip=True), "0": token("<s>", special=True, normalized=True)}
    folder = sentencepiece_like(
        tmp_path, {"tokenizer_class": "LlamaTokenizer", "added_tokens_decoder": table}
    )
    found = load(folder).plain(["a</s>  ", "a<s>"])
    assert found.flat.tolist()[-1] == 1
    assert found.flat.tolist()[int(found.lengths[0]) - 1] == 2


def test_special_tokens_map_counts_where_the_class_reads_it(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {"tokenizer_class": PLAIN, "additional_special_tokens": ["<p>"]})
    (folder / "special_tokens_map.json").write_text(
        '{"eos_token": {"content": "<s>"}, "additional_special_tokens": ["<q>", "<p>"]}'
    )
    encoder = load(folder)
    assert encoder.eos == 0
    assert encoder.token_id("<q>") == encoder.token_id("<p>") + 1
    (folder / "tokenizer_config.json").write_text('{"added_tokens_decoder": {}, "eos_token": "</s>"}')
    assert load(folder).eos == 1


def test_added_tokens_json_adds_what_tokenizer_json_lacks(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {"tokenizer_class": PLAIN, "eos_token": "</s>"})
    (folder / "added_tokens.json").write_text('{"<s>": 0, "<q>": 777}')
    encoder = load(folder)
    assert encoder.token_id("<q>") == encoder.vocabulary - 1
    assert encoder.plain(["x<s>"]).flat[-1] == 0


def test_the_padding_of_tokenizer_json_names_the_pad_token(tmp_path: Path) -> None:
    padding = {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None}
    padding |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "<s>"}
    config = {"tokenizer_class": PLAIN, "eos_token": "</s>"}
    folder = byte_level(tmp_path, config, change=lambda content: content.update(padding=padding))
    encoder = load(folder)
    assert (encoder.pad, encoder.eos) == (0, 1)
    assert len(encoder.plain(["a"]).flat) == 1


def test_special_tokens_may_be_ordinary_text(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {"tokenizer_class": PLAIN, "split_special_tokens": True})
    assert 0 not in ids(folder, "<s>")


def test_the_prefix_rule_of_llama(tmp_path: Path) -> None:
    from tokenizers import models

    words = ["<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "▁b"]
    vocab = {word: number for number, word in enumerate(words)}
    model = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[("▁", "a"), ("▁", "b")], unk_token="<unk>"))
    model.save(str(tmp_path / "tokenizer.json"))

    def found(kind: str = "LlamaTokenizer", **config: Any) -> list[int]:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind, **config}))
        return ids(tmp_path, "a b")

    assert found(add_prefix_space=True) == [1, 6, 7]
    assert found(add_prefix_space=False) == [1, 4, 7]
    assert found(add_prefix_space=True, legacy=False) == [1, 6, 7]
    assert found(add_prefix_space=False, legacy=False) == [1, 4, 7]
    # Not in the config, or another class: tokenizer.json is used as it is, and this one knows no blanks.
    assert found() == [1, 4, 0, 5]
    assert found("CodeLlamaTokenizer", add_prefix_space=True) == [1, 4, 0, 5]


def test_a_byte_level_vocabulary_of_the_llama_class_keeps_its_words(tmp_path: Path) -> None:
    folder = byte_level(tmp_path, {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": True})
    assert ids(folder, "few") == ids(byte_level(tmp_path / "b", {"tokenizer_class": "LlamaTokenizer"}), "few")


@pytest.mark.parametrize(("kind", "nested"), [("GPT2", False), ("GPTNeoX", False), ("Bloom", True)])
def test_the_blank_in_front_of_byte_level_classes(tmp_path: Path, kind: str, nested: bool) -> None:
    def change(content: dict[str, Any]) -> None:
        level = content["pre_tokenizer"]["pretokenizers"][1]
        if not nested:
            content["pre_tokenizer"] = {**level, "use_regex": True}

    def found(**config: Any) -> int:
        folder = byte_level(tmp_path, {"tokenizer_class": f"{kind}TokenizerFast", **config}, change=change)
        return len(load(folder).plain(["few"]).flat), load(folder).cuts

    assert found(add_prefix_space=True)[1] == ""
    assert found()[1] == "words"


def test_a_frame_without_its_token_is_refused(tmp_path: Path) -> None:
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": None}
    with pytest.raises(JobError, match="adds bos_token"):
        load(byte_level(tmp_path, config))
