from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_files import write_documents
from token_set_files import GOLDEN, write_instruction

from backend.node.data.character_encoder import CharacterEncoder
from backend.node.data.encoder import TokenizerOptions
from backend.node.data.inspect_data import inspect_data
from backend.node.data.row_sample import BLOCKS, sample_rows
from backend.node.data.sample_figures import Scale, lengths_in_short, what_follows
from backend.node.job_lines import JobError

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden files are not here")


def write_rows(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def alpaca(count: int) -> list[dict[str, Any]]:
    return [{"instruction": f"task {n}", "input": "", "output": f"answer {n}"} for n in range(count)]


def test_instructions_without_a_tokenizer(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", alpaca(7))
    found = inspect_data(path, gbs=2)
    assert (found["what"], found["handler"]) == ("alpaca", "GeneralInstructionHandler")
    assert (found["records"], found["records_exact"], found["sampled"]) == (7, True, 7)
    assert (found["unit"], found["tokens"]) == ("characters", None)
    assert (found["samples"], found["samples_exact"], found["iterations"]) == (7, True, 3)
    assert len(found["examples"]) == 5
    example = found["examples"][1]
    assert example["place"] == f"line 2 of {path}"
    (part,) = example["parts"]
    masked, trained = part["sequences"][0]["runs"]
    assert masked["text"].endswith("task 1\n\n### Response:\n")
    assert (trained["trained"], trained["text"]) == (True, "answer 1\n")


def test_rows_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    rows = alpaca(4)
    rows[2]["output"] = None
    found = inspect_data(write_rows(tmp_path / "a.jsonl", rows))
    assert found["bad_found"] == 1
    assert found["bad"][0]["field"] == "output"
    assert found["examples"][2]["problem"] == found["bad"][0]["why"]
    assert found["examples"][2]["parts"] == []
    assert found["samples"] == 3


def test_unknown_data_is_counted(tmp_path: Path) -> None:
    found = inspect_data(write_rows(tmp_path / "a.jsonl", [{"n": 1}, {"n": 2}]))
    assert (found["what"], found["handler"], found["records"]) == ("unknown", "", 2)
    assert found["examples"] == []


def test_an_unknown_handler_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        inspect_data(write_rows(tmp_path / "a.jsonl", alpaca(1)), handler="GeneralHandler")
    assert caught.value.field == "handler"


def test_conversations_get_a_template(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]}
    found = inspect_data(write_rows(tmp_path / "a.jsonl", [row]), prompt_type="chatml")
    assert (found["what"], found["prompt_type"], found["notes"]) == ("messages", "chatml", [])
    runs = found["examples"][0]["parts"][0]["sequences"][0]["runs"]
    assert "<|im_start|>user\nhello<|im_end|>" in runs[0]["text"]
    assert runs[1]["text"] == "hi<eos>"
    assert "default" in inspect_data(str(tmp_path / "a.jsonl"))["notes"][0]


def test_ids_that_a_handler_writes_itself(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [{"chat": {"turn_1": {"Human": "hello", "MOSS": "hi"}}}])
    found = inspect_data(path, handler="MOSSMultiTurnHandler")
    runs = found["examples"][0]["parts"][0]["sequences"][0]["runs"]
    assert "".join(run["text"] for run in runs) == "<195>hello<196>hi<eos>"


def test_preprocessed_instructions(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", [[5, 6, 7], [8]], [[-100, 6, 7], [8]])
    found = inspect_data(str(tmp_path / "x"), seq_length=2, gbs=1)
    assert (found["what"], found["samples"], found["iterations"]) == ("preprocessed", 2, 2)
    assert found["lengths"]["longest"] == 3
    assert found["beyond"] is None
    assert found["notes"] == ["1 sequence is longer than 2 tokens: the trainer cuts it"]
    assert [one["key"] for one in found["sets"]] == ["input_ids", "attention_mask", "labels"]
    assert found["examples"][0]["parts"][0]["sequences"][0]["trained"] == 2


def test_preprocessed_text_by_its_file(tmp_path: Path) -> None:
    write_documents(tmp_path / "x_text_document", [[[1, 2, 3]], [[4, 5]]])
    for name in ("x_text_document.bin", "x_text_document.idx", "x"):
        found = inspect_data(str(tmp_path / name), seq_length=2, gbs=3)
        assert (found["records"], found["tokens"], found["samples"]) == (2, 5, 2)
        assert found["iterations"] == 0


@needs_golden
@pytest.mark.parametrize(
    ("data", "made", "handler", "seq_length"),
    [
        ("instruction/alpaca_gpt4_data.json", "instruction/eod-seq1024", "GeneralInstructionHandler", 1024),
        ("moss/moss.jsonl", "moss/seq512", "MOSSInstructionHandler", 512),
    ],
)
def test_the_samples_are_those_that_the_reference_wrote(
    data: str, made: str, handler: str, seq_length: int
) -> None:
    options = TokenizerOptions(str(GOLDEN / "tokenizers" / "llama4k"))
    eod = "eod" in made
    found = inspect_data(str(GOLDEN / data), options, handler, seq_length, 4, append_eod=eod)
    written = inspect_data(str(GOLDEN / made / "out"), options, None, seq_length, 4)
    for key in ("samples", "tokens", "iterations"):
        assert found[key] == written[key]
    first = found["examples"][0]["parts"][0]["sequences"][0]
    assert first["runs"] == written["examples"][0]["parts"][0]["sequences"][0]["runs"]
    assert found["samples_exact"]


@pytest.mark.parametrize("count", [1, 50, 3000])
def test_a_sample_is_spread_and_counts_all(tmp_path: Path, count: int) -> None:
    files = [write_rows(tmp_path / f"{n}.jsonl", alpaca(count)) for n in range(3)]
    sample = sample_rows(files, ["output"], block_bytes=1024)
    assert (sample.records, sample.exact, sample.spread) == (3 * count, True, True)
    assert len(sample.parts) <= BLOCKS
    assert sample.parts[0].numbers[0] == 1
    assert {rows.path for rows in sample.parts} == set(files)


def test_large_data_is_estimated(tmp_path: Path) -> None:
    files = [write_rows(tmp_path / f"{n}.jsonl", alpaca(3000)) for n in range(3)]
    sample = sample_rows(files, ["output"], whole_bytes=0, block_bytes=1024)
    assert (sample.exact, sample.spread, sample.whole) == (False, False, False)
    assert sample.records == pytest.approx(9000, rel=0.1)


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=200))
def test_figures_are_lengths_that_occur(values: list[int]) -> None:
    short = lengths_in_short(np.array(values, np.int64))
    assert short is not None
    assert {short[name] for name in ("median", "p90", "p99", "longest")} <= set(values)
    assert short["median"] <= short["p90"] <= short["p99"] <= short["longest"] == max(values)


def test_what_follows_from_lengths() -> None:
    lengths = np.array([10, 20, 30, 40], np.int64)
    scale = Scale(rows=4, records=400)
    assert what_follows(lengths, True, scale, 30, 64) == {
        "beyond": 0.5,
        "samples": 200,
        "tokens": 3000,
        "iterations": 3,
    }
    assert what_follows(lengths, False, Scale(4, 4), 100, 1)["samples"] == 0
    assert what_follows(lengths, False, Scale(4, 4), None, 1)["samples"] is None
    assert lengths_in_short(lengths[:0]) is None


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_characters_come_back(text: str) -> None:
    encoder = CharacterEncoder()
    found = encoder.plain([text])
    assert encoder.decode(found.flat.tolist()) == text
    assert found.lengths.tolist() == [len(text)]
    assert encoder.decode([encoder.token_id("[gMASK]") or 0]) == "[gMASK]"
