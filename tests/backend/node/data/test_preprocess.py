from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from test_tokenizer import folder_with

from backend.node.data import preprocess
from backend.node.data.indexed import IndexedDataset
from backend.node.job_lines import JobError

tokenizers = pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    folder_with(folder, {"tokenizer_class": "LlamaTokenizer"})
    (tmp_path / "in.jsonl").write_text('{"text": "a few words"}\n{"text": ""}\n{"text": "more"}\n')
    return {
        "input": str(tmp_path / "in.jsonl"),
        "output_prefix": str(tmp_path / "out" / "set"),
        "tokenizer": str(folder),
        "tokenizer_type": "PretrainedFromHF",
        "handler": "GeneralPretrainHandler",
        "json_keys": ["text"],
        "append_eod": True,
        "workers": None,
    }


def stamp(job: dict[str, Any]) -> int:
    return os.stat(job["output_prefix"] + "_text_document.bin").st_mtime_ns


def test_an_empty_text_makes_no_document(job: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    preprocess.run(job)
    found = IndexedDataset(job["output_prefix"] + "_text_document")
    assert len(found) == 2
    assert found.documents.tolist() == [0, 1, 2]
    assert all(found[number][0] == 0 and found[number][-1] == 1 for number in range(2))
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0])["progress"]["unit"] == "bytes"
    assert lines[-1].startswith("3 records made 2 sequences")
    manifest = json.loads(Path(job["output_prefix"] + ".manifest.json").read_text())
    assert manifest["counts"]["records"] == 3
    assert manifest["counts"]["empty"] == 1
    assert sorted(os.listdir(Path(job["output_prefix"]).parent)) == [
        "set.manifest.json",
        "set_text_document.bin",
        "set_text_document.idx",
    ]


def test_an_unchanged_job_is_not_done_twice(job: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    preprocess.run(job)
    before = stamp(job)
    capsys.readouterr()
    preprocess.run({**job, "workers": 1})
    assert stamp(job) == before
    assert capsys.readouterr().out.startswith("up to date")


@pytest.mark.parametrize("change", ["input", "tokenizer", "settings", "output"])
def test_a_changed_job_is_done_anew(job: dict[str, Any], change: str) -> None:
    preprocess.run(job)
    before = stamp(job)
    if change == "input":
        Path(job["input"]).write_text('{"text": "b few words"}\n')
    elif change == "tokenizer":
        (Path(job["tokenizer"]) / "tokenizer_config.json").write_text(
            '{"tokenizer_class": "LlamaTokenizerFast"}'
        )
    elif change == "settings":
        job["append_eod"] = False
    else:
        os.unlink(job["output_prefix"] + "_text_document.idx")
    preprocess.run(job)
    assert stamp(job) != before
    IndexedDataset(job["output_prefix"] + "_text_document")


def test_many_small_batches_make_the_same_files(job: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.node.data import batches

    rows = [{"text": "words " * (number % 7)} for number in range(333)]
    Path(job["input"]).write_text("\n".join(map(json.dumps, rows)))
    job["seq_length"] = 14
    preprocess.run(job)
    whole = [Path(f"{job['output_prefix']}_text_document.{kind}").read_bytes() for kind in ("bin", "idx")]
    monkeypatch.setattr(batches, "_BATCH_CHARACTERS", 1)
    job["output_prefix"] += "2"
    preprocess.run(job)
    assert whole == [
        Path(f"{job['output_prefix']}_text_document.{kind}").read_bytes() for kind in ("bin", "idx")
    ]


def test_a_folder_is_read_in_order(job: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in "ba":
        (folder / f"{name}.txt").write_text(name * 3 + "\n")
    preprocess.run({**job, "input": str(folder)})
    found = IndexedDataset(job["output_prefix"] + "_text_document")
    model = tokenizers.Tokenizer.from_file(job["tokenizer"] + "/tokenizer.json")
    assert [model.decode(found[number].tolist()).replace(" ", "") for number in range(2)] == ["aaa", "bbb"]


BAD_INPUT = [
    ('{"text": "a"}\n{"other": "b"}\n', "json_keys", "line 2 of .* has no text"),
    (
        '{"text": "a"}\n{"text": 3}\n',
        "input",
        "line 2 of .* a value that is not text",
    ),
    ('{"text": "a"}\n{"text": "\\ud800"}\n', "input", "line 2 of .* surrogate"),
    ('{"text": "a"}\n{"text"\n', "input", "line 2 of .* is not JSON"),
    ('{"text": ""}\n', "input", "all texts in .* are empty"),
    ('\n\n{"text": ""}', "input", "are empty"),
]


@pytest.mark.parametrize(("content", "field", "message"), BAD_INPUT)
def test_bad_input_is_named_and_old_results_stay(
    job: dict[str, Any], content: str, field: str, message: str
) -> None:
    preprocess.run(job)
    before = stamp(job)
    Path(job["input"]).write_text(content)
    with pytest.raises(JobError, match=message) as caught:
        preprocess.run(job)
    assert caught.value.field == field
    assert stamp(job) == before
    IndexedDataset(job["output_prefix"] + "_text_document")
    assert not [name for name in os.listdir(Path(job["output_prefix"]).parent) if "tmp" in name]


def test_too_short_a_length_says_the_longest(job: dict[str, Any]) -> None:
    with pytest.raises(JobError) as caught:
        preprocess.run({**job, "seq_length": 1})
    assert caught.value.field == "seq_length"
    assert "the longest has" in caught.value.why


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"handler": "GeneralPretrainHandle"}, "handler"),
        ({"tokenizer_type": "GPT2BPETokenizer"}, "tokenizer_type"),
        ({"json_keys": []}, "json_keys"),
        ({"json_keys": ["text", "text"]}, "json_keys"),
        ({"json_keys": ["body"]}, "json_keys"),
        ({"input": "/nowhere/at all"}, "input"),
        ({"tokenizer": "/nowhere"}, "tokenizer"),
    ],
)
def test_bad_settings_are_named(job: dict[str, Any], change: dict[str, Any], field: str) -> None:
    with pytest.raises(JobError) as caught:
        preprocess.run({**job, **change})
    assert caught.value.field == field
    assert not Path(job["output_prefix"] + "_text_document.bin").exists()


def test_a_job_without_a_key_is_named(job: dict[str, Any]) -> None:
    del job["tokenizer"]
    with pytest.raises(JobError) as caught:
        preprocess.run(job)
    assert caught.value.field == "tokenizer"


def test_an_end_token_is_needed_before_reading(job: dict[str, Any]) -> None:
    (Path(job["tokenizer"]) / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast"}'
    )
    with pytest.raises(JobError) as caught:
        preprocess.run(job)
    assert caught.value.field == "append_eod"


def test_a_full_disk_is_one_sentence(job: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.node.data.writer import IndexedWriter

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexedWriter, "add", full)
    with pytest.raises(JobError, match="cannot read or write") as caught:
        preprocess.run(job)
    assert "No space left" in caught.value.why
    assert os.listdir(Path(job["output_prefix"]).parent) == []
