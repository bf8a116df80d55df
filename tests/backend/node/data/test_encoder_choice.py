"""Which encoder a job gets, and what is said about folders that give none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizer_folders import byte_level

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder, tokenizer_files
from backend.node.job_lines import JobError

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("files", "message", "why"),
    [
        ({}, "has neither tokenizer_config.json nor config.json", "the folder is empty"),
        (
            {"tokenizer_config.json": "{}"},
            "neither tokenizer.json nor tokenizer.model",
            "found there: tokenizer_c",
        ),
        ({"tokenizer_config.json": "{", "tokenizer.json": "{}"}, "cannot read .*_config.json", "line 1"),
        (
            {"tokenizer_config.json": "{}", "tokenizer.json": "[]"},
            "cannot read .*tokenizer.json",
            "JSON object",
        ),
        ({"tokenizer_config.json": "{}", "tokenizer.json": '{"model": 3}'}, "cannot read tokenizer.json", ""),
    ],
)
def test_a_folder_that_gives_none_is_refused(
    tmp_path: Path, files: dict[str, str], message: str, why: str
) -> None:
    pytest.importorskip("tokenizers")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(JobError, match=message) as caught:
        load_encoder(TokenizerOptions(str(tmp_path)))
    assert caught.value.field == "tokenizer"
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        (TokenizerOptions("/no/such"), "tokenizer", "no such folder: /no/such"),
        (TokenizerOptions(""), "tokenizer", "no tokenizer is given"),
        (TokenizerOptions(__file__), "tokenizer", "is a file"),
        (
            TokenizerOptions("/", kind="SentencePiece"),
            "tokenizer_type",
            "unknown tokenizer type SentencePiece",
        ),
        (TokenizerOptions("", kind="GPT2BPETokenizer", stop_words=("<x>",)), "tokenizer_type", "template"),
        (TokenizerOptions("/", encoder="fast"), "encoder", "unknown encoder fast"),
        (TokenizerOptions("", kind="GPT2BPETokenizer"), "vocab_file", "needs --vocab-file"),
        (TokenizerOptions("", kind="BertWordPieceCase", vocab_file="/no"), "vocab_file", "no such file: /no"),
    ],
)
def test_wrong_options_are_refused(options: TokenizerOptions, field: str, message: str) -> None:
    with pytest.raises(JobError, match=message) as caught:
        load_encoder(options)
    assert caught.value.field == field


def test_an_end_of_text_that_is_due_must_be_there(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    folder = byte_level(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"})
    options = TokenizerOptions(str(folder), needs_eos=True)
    with pytest.raises(JobError, match="no end-of-text token") as caught:
        load_encoder(options)
    assert caught.value.field == "append_eod"
    assert load_encoder(options._replace(stop_words=("<x>",))).eos is not None


@pytest.mark.parametrize("place", ["tokenizer_config.json", "config.json"])
def test_code_in_the_folder_is_not_run_unasked(tmp_path: Path, place: str) -> None:
    pytest.importorskip("tokenizers")
    folder = byte_level(tmp_path, {})
    (folder / place).write_text('{"auto_map": {"AutoTokenizer": ["own_code.Mine", null]}}')
    (folder / "own_code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(JobError, match="Python code that lies there") as caught:
        load_encoder(TokenizerOptions(str(folder)))
    assert caught.value.field == "trust_remote_code"
    assert "own_code.py" in caught.value.why
    assert not (tmp_path / "ran").exists()


def test_the_files_that_decide_the_ids(tmp_path: Path) -> None:
    for name in (
        "tokenizer.json",
        "tokenizer.model",
        "qwen.tiktoken",
        "weights.safetensors",
        "config.json",
        "a.py",
    ):
        (tmp_path / name).touch()
    names = [Path(path).name for path in tokenizer_files(str(tmp_path))]
    assert names == ["a.py", "config.json", "qwen.tiktoken", "tokenizer.json", "tokenizer.model"]
    assert tokenizer_files(str(tmp_path / "none")) == []
