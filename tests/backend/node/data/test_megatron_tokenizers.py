"""GPT-2 and BERT tokenizers from vocabulary files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizer_folders import byte_level

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.ragged import lists
from backend.node.job_lines import JobError

pytest.importorskip("tokenizers")
pytestmark = pytest.mark.torch
BERT_VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "play",
    "##ing",
    "The",
    "中",
    "[",
    "]",
    "cafe",
    ",",
    "CLS",
]


def gpt2(folder: Path) -> TokenizerOptions:
    """Files made of a small byte-level BPE."""
    byte_level(folder, {}, ("<|endoftext|>",))
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    return TokenizerOptions(
        "",
        kind="GPT2BPETokenizer",
        vocab_file=str(folder / "vocab.json"),
        merge_file=str(folder / "merges.txt"),
    )


def test_gpt2(tmp_path: Path) -> None:
    encoder = load_encoder(gpt2(tmp_path))
    assert (encoder.eos, encoder.bos, encoder.before, encoder.after) == (0, None, [], [])
    found = encoder.full(["a few words", "<|endoftext|>", ""])
    assert encoder.decode(lists(found)[0]) == "a few words"
    assert len(lists(found)[0]) < len("a few words")
    # Not a special token when it stands in a text.
    assert 0 not in found.flat
    assert encoder.cuts == "words"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("vocab.json", "[1]", "not a vocabulary"),
        ("vocab.json", "{", "not a vocabulary"),
        ("vocab.json", '{"a": 1}', "has no <|endoftext|>"),
        ("merges.txt", "#version\na b c\n", "line 2 of .* is not a merge"),
        ("merges.txt", "#version\nno such\n", "does not fit"),
    ],
)
def test_gpt2_files_that_are_none(tmp_path: Path, name: str, text: str, message: str) -> None:
    options = gpt2(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(JobError, match=message.replace("|", r"\|")):
        load_encoder(options)


def test_bert(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(BERT_VOCABULARY) + "\n")

    def words(text: str, kind: str) -> list[str]:
        encoder = load_encoder(TokenizerOptions("", kind=kind, vocab_file=str(path)))
        assert (encoder.pad, encoder.bos, encoder.eos, encoder.vocabulary) == (0, 14, 15, 16)
        return [BERT_VOCABULARY[ident] for ident in encoder.full([text]).flat]

    assert words("The playing,", "BertWordPieceLowerCase") == ["the", "play", "##ing", ","]
    assert words("The playing,", "BertWordPieceCase") == ["The", "play", "##ing", ","]
    assert words("Café 中the xyz", "BertWordPieceLowerCase") == ["cafe", "中", "the", "[UNK]"]
    assert words("[CLS]", "BertWordPieceCase") == ["[", "CLS", "]"]


def test_bert_needs_an_unknown_token(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("a\nb\n")
    with pytest.raises(JobError, match="has no"):
        load_encoder(TokenizerOptions("", kind="BertWordPieceCase", vocab_file=str(path)))
