"""Small tokenizers of the kinds that models have, and blocks of rows made by hand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from backend.node.data.encoder import Encoder, TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.handlers.handler import Encoded
from backend.node.data.ragged import lists
from backend.node.data.rows import ROW, Rows

WORDS = (
    "Below is an instruction that describes a task, paired with an input. Write a response that completes.\n"
    "### Instruction:\nWhat is the sum of 12 and 30?\n\n### Response:\nIt's 42, of course...\n"
    "中文的句子，也要测试。 Zwölf Boxkämpfer jagen  Viktor\tquer über den Sylter Deich.\r\n"
)
BYTE_LEVEL, GPT2, LLAMA, WORD_PIECE = "byte level", "gpt2", "llama", "word piece"
KINDS = (BYTE_LEVEL, GPT2, LLAMA, WORD_PIECE)
_QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


@cache
def encoder_of(kind: str, *special: str) -> Encoder:
    """An encoder of one of KINDS with some more special tokens; made once."""
    folder = Path(mkdtemp(prefix="small-tokenizer-"))
    content, config = _CONTENTS[kind]()
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**config, "additional_special_tokens": list(special)})
    )
    return load_encoder(TokenizerOptions(str(folder), encoder="tokenizers"))


def _byte_level(pre_tokenizer: Any) -> dict[str, Any]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator([WORDS] * 3, trainer)
    content: dict[str, Any] = json.loads(model.to_str())
    return content


def _qwen() -> tuple[dict[str, Any], dict[str, Any]]:
    from tokenizers import Regex, pre_tokenizers

    cut = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    content = _byte_level(cut)
    content["normalizer"] = {"type": "NFC"}
    return content, {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}


def _gpt2() -> tuple[dict[str, Any], dict[str, Any]]:
    from tokenizers import pre_tokenizers

    content = _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    return content, {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}


def _llama() -> tuple[dict[str, Any], dict[str, Any]]:
    """Whole texts as one word, bytes for what is unknown, BOS and (so that it is seen) EOS around a text."""
    from tokenizers import Tokenizer, models, trainers

    learnt = Tokenizer(models.BPE())
    lines = [line.replace(" ", "▁") for line in WORDS.splitlines()]
    learnt.train_from_iterator(lines * 3, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    model = json.loads(learnt.to_str())["model"]
    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = [*first, *model["vocab"]]
    model.update(
        vocab={word: number for number, word in enumerate(words)},
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    mark = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    content = {
        "version": "1.0",
        "added_tokens": [_added(number, text) for number, text in enumerate(first[:3])],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, mark]},
        "model": model,
    }
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_eos_token": True}
    return content, {"tokenizer_class": "LlamaTokenizer", **named}


def _word_piece() -> tuple[dict[str, Any], dict[str, Any]]:
    """One that must see every text whole, as far as anybody knows."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    model = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=["[UNK]", "[SEP]"], show_progress=False
    )
    model.train_from_iterator([WORDS] * 3, trainer)
    return json.loads(model.to_str()), {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "[SEP]",
        "unk_token": "[UNK]",
    }


_CONTENTS = {BYTE_LEVEL: _qwen, GPT2: _gpt2, LLAMA: _llama, WORD_PIECE: _word_piece}


def _added(number: int, text: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": text, "special": True, **flags}


def block(columns: dict[str, list[Any]], start: int = 0) -> Rows:
    """Rows of the columns' values; the first has number `start` + 1."""
    count = len(next(iter(columns.values())))
    numbers = list(range(start + 1, start + count + 1))
    return Rows("a.jsonl", ROW, numbers, list(range(count)), count, columns, [])


def sequences(encoded: Encoded, output: str) -> list[list[int]]:
    """One output's ids; ones where the part says so."""
    part = encoded.parts[output]
    if part.sequences is not None:
        return lists(part.sequences)
    first = next(iter(encoded.parts.values())).sequences
    assert first is not None
    return [[1] * size for size in first.lengths.tolist()]


def full_ids(encoder: Encoder, text: str) -> list[int]:
    """Ids of one text with its special tokens."""
    return encoder.full([text]).flat.tolist()
