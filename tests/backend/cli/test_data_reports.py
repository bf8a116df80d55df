"""What the data commands print, at 80 columns."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.cells import cell_len

from backend.cli import data_inspect_report, data_show, data_summary, data_verify
from backend.cli.data_text import Look

COUNTS = {
    "records": 52_002,
    "kept": 51_992,
    "empty": 3,
    "dropped": 40,
    "longest": 9_120,
    "longest_record": 1_711,
    "longest_kept": 4_090,
    "tokens": 8_123_456,
    "sequences": 51_960,
    "documents": 51_992,
    "bad": 2,
    "skipped": 7,
}
SAMPLE_KEYS = ("input_ids", "attention_mask", "labels")


def manifest(names: tuple[str, ...], **counts: int) -> dict[str, Any]:
    outputs = [
        {"path": f"{name}_document.{ending}", "size": size}
        for name in names
        for ending, size in (("bin", 32_000_000), ("idx", 1_000_000))
    ]
    return {"counts": COUNTS | counts, "outputs": outputs, "versions": {"tokenizers": "0.23.3"}}


def test_instruction_data_counts_samples() -> None:
    made = manifest(tuple(f"alpaca_packed_{key}" for key in SAMPLE_KEYS))
    job = {"output_prefix": "/d/alpaca", "seq_length": 4096}
    assert list(data_summary.outcome_lines(made, job, seconds=62.0)) == [
        "records            52,002",
        "samples            51,960  SN of the recipe",
        "tokens          8,123,456  the longest kept has 4,090",
        "empty                   3  no text: nothing is written for them",
        "dropped                40  4,096 tokens or more; the longest has 9,120 (record 1,711)",
        "skipped                 7  by the handler's rules; listed in the manifest",
        "bad                     2  left out as asked; listed in the manifest",
        "",
        "3 pairs of files in /d",
        "  alpaca_packed_input_ids_document       .bin .idx    33 MB",
        "  alpaca_packed_attention_mask_document  .bin .idx    33 MB",
        "  alpaca_packed_labels_document          .bin .idx    33 MB",
        "ids by tokenizers 0.23.3",
        "made in 1 min 02 s, 131 k tokens/s",
    ]


def test_pretraining_data_counts_sequences() -> None:
    none = dict.fromkeys(("empty", "dropped", "skipped", "bad"), 0)
    made = manifest(("wiki_text",), sequences=100, documents=102, tokens=4097, **none)
    lines = list(
        data_summary.outcome_lines(made, {"output_prefix": "wiki", "seq_length": 4096}, seconds=None)
    )
    assert lines[:5] == [
        "records            52,002",
        "sequences             100  in 102 documents",
        "samples                 1  SN of the recipe",
        "tokens              4,097  the longest sequence has 9,120 (record 1,711)",
        "",
    ]
    assert lines[-1] == "ids by tokenizers 0.23.3"


def test_packing_drops_only_what_is_longer() -> None:
    made = manifest(("p_packed_input_ids",))
    job = {"output_prefix": "/d/p", "seq_length": 512, "pack": True}
    text = "\n".join(data_summary.outcome_lines(made, job, seconds=None))
    assert "longer than 512 tokens" in text


def test_the_manifest_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    data_summary.print_outcome(manifest(("a_text",)), {"output_prefix": "/d/a"}, seconds=None, json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["up_to_date"], found["output_prefix"], found["counts"]) == (True, "/d/a", COUNTS)


def test_merged_parts() -> None:
    one = {
        "path": "/d/y_text_document",
        "sequences": 60_032,
        "tokens": 13_791_359,
        "bytes": 55_165_436,
        "parts": 2,
    }
    assert list(data_summary.merged_lines({"sets": [one, {**one, "parts": 1}]})) == [
        "/d/y_text_document",
        "  2 parts: 60,032 sequences, 13,791,359 tokens, 55 MB",
        "/d/y_text_document",
        "  1 part: 60,032 sequences, 13,791,359 tokens, 55 MB",
    ]


def token_set(key: str, **more: Any) -> dict[str, Any]:
    numbers = {"sequences": 40, "documents": 40, "tokens": 7_143, "smallest": 1, "largest": 4_093}
    return {"path": f"/d/out_packed_{key}_document", "key": key, "packed": True} | numbers | more


def verdict(**more: Any) -> dict[str, Any]:
    return {"sets": [], "findings": [], "found": 0, "sound": True, "vocabulary": 4096, "bytes": 86_000} | more


def test_sound_files() -> None:
    sets = [
        token_set("input_ids"),
        token_set("attention_mask", largest=1),
        token_set("labels", trained=2_600),
    ]
    assert list(data_verify.report_lines(verdict(sets=sets))) == [
        "files           sequences  documents  tokens     ids  trained",
        "input_ids              40         40   7,143  1…4093",
        "attention_mask         40         40   7,143       1",
        "labels                 40         40   7,143  1…4093     36 %",
        "",
        "sound: 3 pairs of files, 86 kB of ids",
    ]


def test_faults_say_where() -> None:
    place = {"file": "/d/out_text_document.bin", "document": 3, "sequence": 3, "position": 17}
    findings = [
        {
            "file": "/d/out_text_document.idx",
            "document": None,
            "sequence": None,
            "position": None,
            "what": "cut",
        },
        {**place, "what": "the id 5000 is too large"},
        {**place, "sequence": 4, "position": None, "what": "empty"},
    ]
    broken = {"path": "/d/out_text_document", "key": "text", "packed": False}
    report = verdict(sets=[broken], findings=findings, found=15, sound=False, vocabulary=None)
    assert list(data_verify.report_lines(report)) == [
        "files  sequences  documents  tokens",
        "text           –          –       –",
        "",
        "/d/out_text_document.idx:",
        "  cut",
        "/d/out_text_document.bin:",
        "  document 3, position 17: the id 5000 is too large",
        "  document 3, sequence 4: empty",
        "and 12 more like these",
        "ids were not held against a vocabulary: give --tokenizer-name-or-path or --vocab-size",
        "not sound: 15 faults in 1 pair of files",
    ]


def runs(*texts: str) -> list[dict[str, Any]]:
    """Masked and trained in turn, masked first."""
    return [
        {"trained": bool(number % 2), "start": 0, "tokens": 5, "text": text}
        for number, text in enumerate(texts)
    ]


def test_a_document() -> None:
    sequence = {
        "sequence": 7,
        "ids": [1] * 10,
        "tokens": 10,
        "trained": 5,
        "labels": 12,
        "runs": runs("Ask", "Say"),
    }
    parts = [
        {"key": "input_ids", "sequences": [sequence]},
        {"key": "other", "sequences": []},
    ]
    found = {"document": 3, "documents": 1_234, "parts": parts}
    assert list(data_show.document_lines(found, Look())) == [
        "document 3 of 1,234 (the first is 0)",
        "",
        "input_ids, sequence 7: 10 tokens, 5 trained, 12 labels",
        "  masked  ┊ Ask",
        "  trained ┃ Say",
        "",
        "other: empty, left out for its length",
    ]


def inspected(**more: Any) -> dict[str, Any]:
    sequence = {"tokens": 10, "trained": 5, "runs": runs("Ask", "Say")}
    path = "/data/alpaca.json"
    report = {
        "files": [path],
        "bytes": 43_600_000,
        "title": "Alpaca instructions",
        "kind": "JSON array",
        "columns": ["instruction", "input", "output"],
        "records": 52_002,
        "records_exact": False,
        "handler": "GeneralInstructionHandler",
        "suggested": {
            "handler": "GeneralInstructionHandler",
            "reason": "there are the columns instruction, input and output",
            "json_keys": ["text"],
            "prompt_type": "",
            "map_keys": None,
        },
        "alternatives": [],
        "unit": "tokens",
        "encoder": {"name": "tokenizers", "note": "", "vocabulary": 4096},
        "examples": [
            {
                "place": f"record 1 of {path}",
                "problem": "",
                "parts": [{"key": "input_ids", "sequences": [sequence]}],
            },
            {"place": f"record 2 of {path}", "problem": "column output: it is null", "parts": []},
        ],
        "sampled": 1_000,
        "lengths": {"median": 123, "p90": 345, "p99": 800, "longest": 2_345, "mean": 150.2},
        "beyond": 0.031,
        "samples": 51_900,
        "samples_exact": False,
        "tokens": 7_800_000,
        "iterations": 405,
        "seq_length": 4096,
        "gbs": 128,
        "bad": [{"place": f"record 2 of {path}", "field": "output", "why": "it is null"}],
        "bad_found": 3,
        "skipped_found": 0,
        "notes": ["the encoder gigatoken is not installed"],
        "sets": None,
    }
    return report | more


def test_inspected_data() -> None:
    assert list(data_inspect_report.report_lines(inspected(), Look())) == [
        "data        /data/alpaca.json, 44 MB",
        "what        Alpaca instructions (JSON array)",
        "columns     instruction, input, output",
        "records     about 52,002",
        "suggested   GeneralInstructionHandler: there are the columns instruction, input",
        "            and output",
        "lengths     median 123 · p90 345 · p99 800 · longest 2,345 tokens",
        "            of 1,000 records looked at",
        "beyond      3 % of the samples have 4,096 tokens or more and are left out",
        "tokens      about 7,800,000",
        "SN          about 51,900 samples",
        "iterations  405 an epoch (SN 51,900 // GBS 128)",
        "",
        "record 1 of alpaca.json: 10 tokens, 5 trained",
        "  masked  ┊ Ask",
        "  trained ┃ Say",
        "",
        "record 2 of alpaca.json: column output: it is null",
        "",
        "3 of the records looked at cannot be used:",
        "  record 2 of /data/alpaca.json, column output: it is null",
        "  and 2 more",
        "",
        "the encoder gigatoken is not installed",
    ]


def test_inspected_without_a_tokenizer() -> None:
    report = inspected(
        unit="characters", encoder=None, tokens=None, samples=None, iterations=None, beyond=None
    )
    text = "\n".join(data_inspect_report.report_lines(report, Look()))
    assert "longest 2,345 characters" in text
    assert "record 1 of alpaca.json: 10 characters" in text
    assert "SN" not in text


def test_data_of_no_known_shape() -> None:
    nothing = {"handler": "", "reason": "no handler knows these columns", "json_keys": None}
    report = inspected(
        suggested=nothing, handler="", lengths=None, examples=[], bad=[], bad_found=0, notes=[]
    )
    lines = list(data_inspect_report.report_lines(report, Look()))
    assert "suggested   no handler knows these columns" in lines


def test_the_command_is_one_line() -> None:
    command = "npudeck data preprocess --input " + "x" * 200
    lines = list(data_inspect_report.report_lines(inspected(), Look(), command))
    assert lines[-3:] == ["", "to make training data of it:", command]


@pytest.mark.parametrize("width", [60, 80])
def test_inspection_fits_the_terminal(width: int) -> None:
    report = inspected(columns=[f"column_{number}" for number in range(40)])
    for line in data_inspect_report.report_lines(report, Look(width=width)):
        assert cell_len(line) <= width
