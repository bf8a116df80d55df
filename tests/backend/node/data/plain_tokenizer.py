"""The smallest tokenizer that a job needs, on disk."""

from __future__ import annotations

import json
from pathlib import Path


def folder_with(folder: Path) -> Path:
    """A byte-level BPE with Llama's special tokens, <s> 0 and </s> 1, and no post-processor."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(["a few words to learn from, and a few more words"] * 3, trainer)
    model.enable_truncation(2)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    return folder
