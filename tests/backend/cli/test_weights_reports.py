"""What the commands about weights print."""

from __future__ import annotations

from typing import Any

import pytest

from backend.cli import weights_check_files_report, weights_inspect_report, weights_verify_report

SIDE = {"directory": "/a", "kind": "hf", "format": None, "tp": None, "pp": None}


def compared(**changes: Any) -> dict[str, Any]:
    return {
        "a": SIDE,
        "b": {"directory": "/b", "kind": "megatron", "format": "mcore", "tp": 2, "pp": 1},
        "equal": False,
        "same_values": False,
        "compared": 3,
        "bytes": 2_000_000,
        "only_a": [],
        "only_b": [],
        "differing": [],
        "differing_count": 0,
        "differing_values": 0,
        "unequal_copies": [],
        "notes": [],
        **changes,
    }


def difference(**changes: Any) -> dict[str, Any]:
    found = {
        "name": "x",
        "why": "values",
        "a": 0.5,
        "b": 0.25,
        "values": 3,
        "first": [0, 17],
        "largest": 0.25,
    }
    return {**found, **changes}


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (difference(), "x: 3 values differ, by 0.25 at most, first at [0, 17]: 0.5 and 0.25"),
        (difference(values=1, largest=None), "x: 1 value differs, first at [0, 17]: 0.5 and 0.25"),
        (
            difference(why="shape", a=[2, 3], b=[3], values=None, first=None, largest=None),
            "x: shape 2 × 3 and 3",
        ),
        (
            difference(why="dtype", a="bf16", b="fp16", values=0, first=None, largest=None),
            "x: bf16 and fp16, the same values",
        ),
        (
            difference(why="dtype", a="bf16", b="int8", values=None, first=None, largest=None),
            "x: bf16 and int8",
        ),
        (
            difference(name="a\x1b[31m", a=float("nan"), largest=None, first=None),
            "a␛[31m: 3 values differ: nan and 0.25",
        ),
    ],
)
def test_a_difference(one: dict[str, Any], line: str) -> None:
    assert line in list(weights_verify_report.report_lines(compared(differing=[one], differing_count=1)))


def test_names_that_one_side_lacks() -> None:
    report = compared(only_a=[f"t{number}" for number in range(12)], only_b=["u"], unequal_copies=["n"])
    lines = list(weights_verify_report.report_lines(report))
    assert lines[3:] == [
        "only in A: t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more",
        "only in B: u",
        "not the same on all ranks of a stage: n",
        "not equal: 12 only in A, 1 only in B, 1 not the same on all ranks",
    ]


def test_more_differences_than_are_listed() -> None:
    lines = list(weights_verify_report.report_lines(compared(differing=[difference()], differing_count=3)))
    assert lines[-2:] == ["and 2 more tensors", "not equal: 3 of 3 tensors differ"]


def test_values_that_are_no_numbers_are_words() -> None:
    lines = list(weights_verify_report.report_lines(compared(differing=[difference(a="nan")])))
    assert any(": nan and " in line for line in lines)


def checked(**changes: Any) -> dict[str, Any]:
    return {
        "directory": "/m",
        "like": None,
        "family": "yi",
        "model_type": "llama",
        "files": [
            {
                "name": "config.json",
                "there": True,
                "needed": True,
                "size": 649,
                "why": "it says",
                "fault": "",
            },
            {"name": "t.json", "there": True, "needed": True, "size": 0, "why": "", "fault": "it is empty"},
            {
                "name": "code.py",
                "there": False,
                "needed": True,
                "size": None,
                "why": "asked for",
                "fault": "",
            },
            {"name": "g.json", "there": False, "needed": False, "size": None, "why": "usual", "fault": ""},
        ],
        "missing": ["code.py"],
        "lacking": [],
        "fix_ups": [],
        "fixed_into": None,
        "written": [],
        "fixed": [],
        "sound": False,
        **changes,
    }


def test_files_and_what_is_wrong_with_them() -> None:
    assert list(weights_check_files_report.report_lines(checked())) == [
        "model       yi",
        "",
        "config.json    649 B",
        "t.json           0 B  it is empty",
        "code.py      missing  asked for",
        "g.json             –  not there; usual",
        "",
        "not whole: 1 missing, 1 with a fault",
    ]


def test_a_setting_is_no_change_of_a_file() -> None:
    setting = {"key": "slow", "file": "", "state": "setting", "why": "why.", "how": "how.", "diff": ""}
    lines = list(weights_check_files_report.report_lines(checked(fix_ups=[setting])))
    assert lines[7:10] == ["slow: to be set", "    why.", "    how."]
    assert "--fix-into" not in lines[-1]


def inspected(**changes: Any) -> dict[str, Any]:
    return {
        "directory": "/t",
        "kind": "lora",
        "title": "LoRA adapter of Megatron, legacy format",
        "complete": False,
        "problems": [{"what": "no rank 3", "why": "TP is 4", "fix": "copy it"}],
        "family": "",
        "model": None,
        "parameters": None,
        "rope_theta": None,
        "format": "legacy",
        "dtype": "bf16",
        "dtypes": {"fp32": 32, "bf16": 1000},
        "tensors": 12,
        "bytes": 3000,
        "weight_bytes": 2128,
        "layout": {"tp": 4, "pp": 1, "layers_per_stage": [2], "layers_per_virtual_stage": None},
        "padded_vocab_size": None,
        "iteration": 20,
        "iterations": [10, 20],
        "optimizer": True,
        "lora": {"rank": 4, "alpha": None, "targets": ["dense", "query_key_value"]},
        "made_from": None,
        "notes": ["a note"],
        **changes,
    }


def test_what_an_adapter_is() -> None:
    assert list(weights_inspect_report.report_lines(inspected())) == [
        "what        LoRA adapter of Megatron, legacy format",
        "values      1,000 bf16, 32 fp32",
        "layout      legacy, TP 4 × PP 1",
        "adapter     rank 4, alpha not said, on dense, query_key_value",
        "iteration   20 (2 are there, the last ones 10, 20), with the optimizer's state",
        "size        2.1 kB in 12 tensors, 3.0 kB with everything else",
        "a note",
        "",
        "no rank 3",
        "  why: TP is 4",
        "  fix: copy it",
        "not complete",
    ]


def test_of_a_checkpoint_that_cannot_be_opened_no_iteration_is_called_current() -> None:
    lines = list(weights_inspect_report.report_lines(inspected(layout=None, iteration=None)))
    assert "iteration   10, 20" in lines
    lines = list(weights_inspect_report.report_lines(inspected(iteration=None, optimizer=False)))
    assert "iteration   none is current (2 are there, the last ones 10, 20)" in lines


@pytest.mark.parametrize(
    ("action", "command"),
    [("export-adapter", "export-lora"), ("split-adapter", "split-lora"), ("to-hf", "to-hf")],
)
def test_what_made_it_is_the_command(action: str, command: str) -> None:
    made = {"action": action, "settings": {"lora_directory": "/a"}}
    lines = list(weights_inspect_report.report_lines(inspected(made_from=made)))
    assert f"made by     npudeck, {command} from /a" in lines


def test_files_that_were_written_before() -> None:
    done = {"fixed_into": "/f", "written": ["config.json"], "fixed": ["config.json"]}
    lines = list(weights_check_files_report.report_lines(checked(**done, up_to_date=True)))
    assert "up to date: /f was made from the same files" in lines
    lines = list(weights_check_files_report.report_lines(checked(**done, up_to_date=False)))
    assert "1 file written to /f; changed: config.json" in lines
