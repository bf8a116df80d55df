"""Small tokenizer folders for tests: byte-level and SentencePiece-like BPE, trained on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

LEARNED = (
    "A few words to learn from, and a few more words.\n### Instruction:\nSay it.\n\n### Response:\nit",
    "我们学习一些词语，再学习一些词语。\n1 2 3 12 123  and  blanks",
)
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BLANKS = [
    {"type": "Prepend", "prepend": "▁"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
]


@cache
def _byte_level(special: tuple[str, ...]) -> str:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    model = Tokenizer(models.BPE())
    model.normalizer = normalizers.NFC()
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    model.train_from_iterator(LEARNED * 3, trainer)
    model.enable_truncation(2)
    return model.to_str()


@cache
def _sentencepiece_like() -> str:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    model = Tokenizer(models.BPE())
    model.normalizer = normalizers.Replace(" ", "▁")
    model.pre_tokenizer = pre_tokenizers.Split("\n", "removed")
    trainer = trainers.BpeTrainer(vocab_size=380, special_tokens=names, show_progress=False)
    model.train_from_iterator(LEARNED * 3, trainer)
    content = json.loads(model.to_str())
    content["added_tokens"] = content["added_tokens"][:3]
    content["model"].update(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    content["normalizer"] = {"type": "Sequence", "normalizers": BLANKS}
    content["pre_tokenizer"] = None
    content["decoder"] = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    }
    return json.dumps(content)


def _write(folder: Path, text: str, config: Any, change: Callable[[dict[str, Any]], Any] | None) -> Path:
    content = json.loads(text)
    if change:
        change(content)
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def byte_level(
    folder: Path,
    config: dict[str, Any] | None = None,
    special: tuple[str, ...] = ("<s>", "</s>"),
    change: Callable[[dict[str, Any]], Any] | None = None,
) -> Path:
    """A byte-level BPE whose special tokens have the ids 0, 1, ... and no post-processor; `change` may edit
    the tokenizer.json."""
    return _write(folder, _byte_level(special), config, change)


def sentencepiece_like(
    folder: Path,
    config: dict[str, Any] | None = None,
    change: Callable[[dict[str, Any]], Any] | None = None,
) -> Path:
    """A BPE like Llama-2's: blanks as ▁, one put in front, bytes for unknown characters, no pre-tokenizer.
    <unk>, <s>, </s> are 0, 1, 2, the bytes 3 to 258."""
    default = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
    }
    return _write(folder, _sentencepiece_like(), default if config is None else config, change)
