"""The limit: read JSON lines and encode their texts with the tokenizers library; nothing is written.

usage: _data_loop.py pretrain|instruction FILE TOKENIZER_JSON THREADS; prints the number of ids.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 20
_SYSTEM = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request. Please note that you need to think through "
    "your response logically and step by step."
)


def main(kind: str, path: str, tokenizer_path: str, threads: str) -> None:
    os.environ.update(TOKENIZERS_PARALLELISM="true", RAYON_NUM_THREADS=threads)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer_path)
    ids = 0
    for records in _blocks(path):
        if kind == "pretrain":
            ids += _encode(tokenizer, [record["text"] for record in records])
        else:
            prompts = [_prompt(record) for record in records]
            texts = [
                prompt + record["output"] + "\n" for prompt, record in zip(prompts, records, strict=True)
            ]
            ids += _encode(tokenizer, texts)
            _encode(tokenizer, prompts)
    print(ids)


def _blocks(path: str) -> Iterator[list[dict[str, str]]]:
    with Path(path).open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield [json.loads(line) for line in (block + stream.readline()).splitlines()]


def _encode(tokenizer: object, texts: list[str]) -> int:
    return sum(len(encoding) for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False))  # type: ignore[attr-defined]


def _prompt(record: dict[str, str]) -> str:
    user = record["instruction"] + "\n" + record["input"]
    return f"\n{_SYSTEM}\n### Instruction:\n{user}\n### Response:\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
