"""Generated training text in English and Chinese, instruction records, and two tokenizers trained on them.

usage: _data_corpus.py pretrain|instruction FILE MEGABYTES, or _data_corpus.py byte-level|llama-like FOLDER

Words follow Zipf's law over a made-up vocabulary, so that a text has the repetitions of a natural one; the
same seed gives the same bytes on every machine.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

_SYLLABLES = [
    first + vowel + last
    for first in "bcdfghlmnprstvw"
    for vowel in "aeiou"
    for last in ("", "n", "r", "s", "t")
]
_ENGLISH_WORDS = 200_000
_CHINESE_WORDS = 100_000
_ZIPF = 0.8
_CHINESE_SHARE = 0.15
_BYTELEVEL_VOCABULARY = 64_000
_LLAMA_VOCABULARY = 32_000
_BLANK = "▁"


class Language:
    """Draws sentences of both languages."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        draw = random.Random(0)
        english = {
            "".join(draw.choices(_SYLLABLES, k=draw.choice((1, 1, 2, 2, 3, 4))))
            for _ in range(_ENGLISH_WORDS)
        }
        han = [chr(code) for code in range(0x4E00, 0x4E00 + 3500)]
        chinese = {
            "".join(draw.choices(han, k=draw.choice((1, 2, 2, 2, 3, 4)))) for _ in range(_CHINESE_WORDS)
        }
        self._english = sorted(english)
        self._chinese = sorted(chinese)
        draw.shuffle(self._english)
        draw.shuffle(self._chinese)
        self._weights = {
            len(words): list(accumulate(rank**-_ZIPF for rank in range(1, len(words) + 1)))
            for words in (self._english, self._chinese)
        }

    def text(self, sentences: int) -> str:
        """Some sentences of one language, in paragraphs."""
        chinese = self.random.random() < _CHINESE_SHARE
        made = [self._chinese_sentence() if chinese else self._english_sentence() for _ in range(sentences)]
        blank = "" if chinese else " "
        paragraphs = [blank.join(made[at : at + 6]) for at in range(0, len(made), 6)]
        return "\n\n".join(paragraphs)

    def _words(self, words: list[str], count: int) -> list[str]:
        return self.random.choices(words, cum_weights=self._weights[len(words)], k=count)

    def _english_sentence(self) -> str:
        words = self._words(self._english, self.random.randint(6, 24))
        if self.random.random() < 0.2:
            words.append(str(self.random.randint(0, 9999)))
        return " ".join(words).capitalize() + self.random.choice("..,?;")

    def _chinese_sentence(self) -> str:
        return "".join(self._words(self._chinese, self.random.randint(5, 16))) + self.random.choice("。。,?;")


def pretrain_texts(megabytes: float, seed: int = 1) -> Iterator[str]:
    """Documents of about 4 kB (UTF-8), `megabytes` of them in all."""
    language = Language(seed)
    left = megabytes * 1e6
    while left > 0:
        text = language.text(language.random.randint(5, 60))
        left -= len(text.encode())
        yield text


def instruction_records(megabytes: float, seed: int = 2) -> Iterator[dict[str, str]]:
    """Records of Alpaca's form, `megabytes` of text in all."""
    language = Language(seed)
    left = megabytes * 1e6
    while left > 0:
        draw = language.random.randint
        record = {
            "instruction": language.text(draw(1, 2)),
            "input": language.text(draw(1, 2)) if draw(0, 1) else "",
            "output": language.text(draw(2, 9)),
        }
        left -= sum(len(value.encode()) for value in record.values())
        yield record


def write_lines(path: Path, records: Iterator[dict[str, str]]) -> None:
    """One JSON record a line."""
    with path.open("w", encoding="utf-8") as stream:
        for record in records:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def make_bytelevel(folder: Path, sample_megabytes: float = 8) -> Path:
    """A byte-level BPE of 64,000 entries with Qwen's pattern, in the files of a tokenizer's folder."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_BYTELEVEL_VOCABULARY,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(pretrain_texts(sample_megabytes, seed=3), trainer)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    return _save(folder, tokenizer, config)


def make_llama(folder: Path, sample_megabytes: float = 8) -> Path:
    """A Llama-like BPE of 32,000 entries: no pre-tokenizer, blanks as a mark, bytes as a way out."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    prepend = [normalizers.Prepend(_BLANK), normalizers.Replace(" ", _BLANK)]
    trained: Any = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    trained.normalizer = normalizers.Sequence(prepend)
    # Words are cut only for the training: merges then never join two of them, as in Llama's vocabulary.
    trained.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_BLANK, prepend_scheme="never", split=True)
    trainer = trainers.BpeTrainer(
        vocab_size=_LLAMA_VOCABULARY,
        special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    lines = (line for text in pretrain_texts(sample_megabytes, seed=3) for line in text.split("\n") if line)
    trained.train_from_iterator(lines, trainer)
    content = json.loads(trained.to_str())
    content["pre_tokenizer"] = None
    content["added_tokens"] = content["added_tokens"][:3]
    tokenizer: Any = Tokenizer.from_str(json.dumps(content))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    config = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "add_bos_token": True,
        "add_eos_token": False,
    }
    return _save(folder, tokenizer, config)


def _save(folder: Path, tokenizer: Any, config: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def main(kind: str, where: str, megabytes: str = "0") -> None:
    path = Path(where)
    if kind == "pretrain":
        write_lines(path, ({"text": text} for text in pretrain_texts(float(megabytes))))
    elif kind == "instruction":
        write_lines(path, instruction_records(float(megabytes)))
    else:
        {"byte-level": make_bytelevel, "llama-like": make_llama}[kind](path)


if __name__ == "__main__":
    main(*sys.argv[1:])
