"""Megatron's own tokenizers, made of a vocabulary file: GPT-2's byte-level BPE and BERT's word pieces."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import Any, Dict, List, Tuple

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.tokenizer import LoadedTokenizer
from backend.node.job_lines import JobError

GPT2 = "GPT2BPETokenizer"
BERT = {"BertWordPieceLowerCase": True, "BertWordPieceCase": False}
_END, _UNKNOWN = "<|endoftext|>", "[UNK]"
# Longer words are unknown, as in Megatron's copy of BERT's tokenizer.
_LONGEST_WORD = 200


def load_gpt2(options: TokenizerOptions) -> LoadedTokenizer:
    """From --vocab-file (JSON) and --merge-file; no special token is looked for in texts. Raises JobError."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary = _vocabulary_json(options.vocab_file)
    # The first line is a comment, the last is empty.
    lines = _read("merge_file", "--merge-file", options.merge_file).split("\n")[1:-1]
    merges = [_merge(options.merge_file, number, line) for number, line in enumerate(lines, 2) if line]
    if _END not in vocabulary:
        what = _("{path} has no {token}").format(path=options.vocab_file, token=_END)
        raise JobError("vocab_file", what, _("it ends every document of this tokenizer type"))
    try:
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    except Exception as error:
        what = _("{merges} does not fit to {vocab}").format(
            merges=options.merge_file, vocab=options.vocab_file
        )
        raise JobError("merge_file", what, str(error), _("give the two files of one model")) from error
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    end = vocabulary[_END]
    return LoadedTokenizer(tokenizer, None, end, None, end, max(vocabulary.values()) + 1)


def load_bert(options: TokenizerOptions, lower: bool) -> LoadedTokenizer:
    """From --vocab-file, one entry a line; [BOS] and [EOS] get the next ids where it lacks them. Raises
    JobError."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    lines = _read("vocab_file", "--vocab-file", options.vocab_file).split("\n")
    if lines[-1] == "":
        lines.pop()
    vocabulary = {line.strip(): number for number, line in enumerate(lines)}
    if _UNKNOWN not in vocabulary:
        what = _("{path} has no {token}").format(path=options.vocab_file, token=_UNKNOWN)
        raise JobError("vocab_file", what, _("a BERT vocabulary has one entry a line, [UNK] among them"))
    tokenizer = Tokenizer(
        models.WordPiece(vocab=vocabulary, unk_token=_UNKNOWN, max_input_chars_per_word=_LONGEST_WORD)
    )
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=lower, lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    known = dict(vocabulary)
    for token in ("[BOS]", "[EOS]"):
        known.setdefault(token, len(known))
    return LoadedTokenizer(
        tokenizer,
        known["[BOS]"],
        known["[EOS]"],
        known[_UNKNOWN],
        known.get("[PAD]"),
        max(known.values()) + 1,
    )


def _vocabulary_json(path: str) -> Dict[str, int]:
    text = _read("vocab_file", "--vocab-file", path)
    try:
        vocabulary: Any = json.loads(text)
        return {str(entry): int(number) for entry, number in vocabulary.items()}
    except (ValueError, AttributeError, TypeError) as error:
        what = _("{path} is not a vocabulary").format(path=path)
        why = _("a JSON object of texts and ids is due: {error}").format(error=error)
        raise JobError("vocab_file", what, why) from error


def _merge(path: str, number: int, line: str) -> Tuple[str, str]:
    parts: List[str] = line.split()
    if len(parts) != 2:
        what = _("line {number} of {path} is not a merge").format(number=number, path=path)
        raise JobError("merge_file", what, _("two entries with a blank between them are due"))
    return parts[0], parts[1]


def _read(field: str, flag: str, path: str) -> str:
    if not path:
        raise JobError(field, _("this tokenizer type needs {flag}").format(flag=flag))
    if not os.path.isfile(path):
        raise JobError(field, _("no such file: {path}").format(path=path))
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        raise JobError(field, _("cannot read {path}").format(path=path), str(error)) from error
