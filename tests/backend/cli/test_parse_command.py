"""`npudeck parse`: JSON of the agreed shape, a summary for people, one clear message for a bad file."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from backend.cli.main import main
from backend.probes.npu_smi_layout import LONGEST_TEXT

NPU_SMI = """\
| npu-smi 25.2.0                   Version: 25.2.0                                               |
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 3     910B3               | Alarm         | 97.5        41                0    / 0             |
| 0                         | 0000:C1:00.0  | 7           0    / 0          3316 / 65536         |
+===========================+===============+====================================================+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
| 3       0                 | 11            | python3                  | 3000                    |
+===========================+===============+====================================================+
"""
LOG = """\
 iteration 2/9 | consumed samples: 16 | elapsed time per iteration (ms): 9.5 | lm loss: NaN | \
number of skipped iterations: 0 | number of nan iterations: 0 |
  successfully saved checkpoint at iteration       2 to /ckpt
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "npu.txt").write_text(NPU_SMI)
    (tmp_path / "train.log").write_text(LOG)
    (tmp_path / "junk").write_bytes(bytes(range(256)) * 50)
    return {path.name: str(path) for path in tmp_path.iterdir()}


def test_npu_smi_as_json(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "npu-smi", files["npu.txt"], "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["tool_version", "devices", "processes"]
    assert (answer["tool_version"], answer["devices"][0]["npu_id"]) == ("25.2.0", 3)
    assert list(answer["devices"][0])[:5] == ["npu_id", "chip_id", "phy_id", "name", "health"]
    assert answer["processes"] == [
        {"npu_id": 3, "chip_id": 0, "pid": 11, "name": "python3", "memory_mb": 3000}
    ]


def test_npu_smi_for_people(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "npu-smi", files["npu.txt"]]) == 0
    first, _, row = capsys.readouterr().out.splitlines()
    assert first == "npu-smi 25.2.0, chips: 1, processes: 1"
    assert row.split() == ["3", "0", "910B3", "Alarm", "97.5", "41", "7", "3316", "/", "65536"]


def test_log_as_json(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "log", files["train.log"], "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["iterations", "validation", "checkpoints", "training_started", "failure"]
    assert answer["iterations"][0]["lm_loss"] == "nan"
    assert answer["checkpoints"] == [{"iteration": 2, "path": "/ckpt"}]
    assert (answer["training_started"], answer["failure"]) == (True, None)


def test_log_for_people(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "log", files["train.log"]]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "iterations: 1, validations: 0, checkpoints: 1",
        "last iteration: 2/9, lm loss nan, 9.5 ms, skipped 0",
        "last checkpoint: iteration 2 in /ckpt",
    ]


@pytest.mark.parametrize("kind", ["log", "npu-smi"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_binary_junk_is_no_crash(
    files: dict[str, str], kind: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["parse", kind, files["junk"], *options]) == (1 if kind == "npu-smi" else 0)
    answer = capsys.readouterr()
    assert "Traceback" not in answer.err
    if options:
        json.loads(answer.out)


@pytest.mark.parametrize("text", ["", "\n \n", "hello\n", "bash: npu-smi: command not found\n"])
def test_what_is_no_answer_is_not_done(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that reads an empty or a wrong file must not go on as if there were cards in it."""
    (tmp_path / "saved").write_text(text)
    assert main(["parse", "npu-smi", str(tmp_path / "saved"), "--json"]) == 1
    answer = capsys.readouterr()
    assert isinstance(json.loads(answer.out), dict)
    assert "holds no reading" in answer.err


def test_a_table_without_a_card_is_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = NPU_SMI.splitlines(keepends=True)
    (tmp_path / "saved").write_text("".join([*lines[:4], *lines[7:8], *lines[9:]]))
    assert main(["parse", "npu-smi", str(tmp_path / "saved")]) == 0
    assert capsys.readouterr() == ("npu-smi 25.2.0, chips: 0, processes: 0\n", "")


@pytest.mark.parametrize(
    ("count", "code", "chips", "said"),
    [
        (1, 1, 0, "cut short before its first card"),
        (3, 1, 0, "cut short before its first card"),
        (4, 1, 0, "cut short before its first card"),
        (5, 1, 0, "cut short before its first card"),
        (6, 0, 1, "cut short after NPU 3 chip 0"),
        (8, 0, 1, "processes may be missing"),
        (9, 0, 1, "processes may be missing"),
    ],
)
def test_a_table_that_is_cut_says_so(
    count: int, code: int, chips: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "saved"
    saved.write_text("".join(NPU_SMI.splitlines(keepends=True)[:count]))
    assert main(["parse", "npu-smi", str(saved)]) == code
    answer = capsys.readouterr()
    assert said in answer.err
    assert answer.out.splitlines()[0].endswith(", cut short")
    assert main(["parse", "npu-smi", str(saved), "--json"]) == code
    answer = capsys.readouterr()
    assert said in answer.err
    document = json.loads(answer.out)
    assert (document["cut"], len(document["devices"])) == (True, chips)


def test_a_cut_at_a_border_may_be_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Old tools print no processes."""
    saved = tmp_path / "saved"
    saved.write_text("".join(NPU_SMI.splitlines(keepends=True)[:7]) + "[root@n1 ~]# ls | wc\n")
    assert main(["parse", "npu-smi", str(saved)]) == 0
    assert "lists no processes" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["log", "npu-smi"])
@pytest.mark.parametrize("name", ["does-not-exist", ".", "a\0b"])
def test_what_cannot_be_read_is_said_once(kind: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", kind, name]) == 3
    answer = capsys.readouterr()
    assert answer.out == ""
    assert answer.err.startswith("error: FILE: ")
    assert "fix: " in answer.err


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
    assert main(["parse", "log", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["iterations"][0]["iteration"] == 2


def test_of_several_tables_the_last_one_is_read_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_text(NPU_SMI + NPU_SMI.replace("Alarm", "OK   "))
    assert main(["parse", "npu-smi", str(tmp_path / "log"), "--json"]) == 0
    answer = capsys.readouterr()
    value = json.loads(answer.out)
    assert (value["tables"], value["shown"]) == (2, 2)
    assert ([one["health"] for one in value["devices"]], len(value["processes"])) == (["OK"], 1)
    assert answer.err.endswith("log: 2 tables of npu-smi info, the last one is read\n")
    (tmp_path / "log").write_text(NPU_SMI + NPU_SMI[:700])
    assert main(["parse", "npu-smi", str(tmp_path / "log")]) == 0
    answer = capsys.readouterr()
    assert "Alarm" in answer.out
    assert answer.err.endswith(
        "log: 2 tables of npu-smi info, table 1 is read: what comes after it is cut short\n"
    )


@pytest.mark.parametrize(
    "complaint",
    [
        "dcmi module initialize failed. ret is -8005",
        "[WARNING]The driver package may not be completely installed",
    ],
)
def test_what_npu_smi_said_after_its_table_is_said(
    complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_text(f"{NPU_SMI}Sat Nov 28 16:00:02\n{complaint}\nSat Nov 28 16:00:04\n")
    assert main(["parse", "npu-smi", str(tmp_path / "log")]) == 0
    assert capsys.readouterr().err.endswith(f"log: after its last table: {complaint}\n")
    (tmp_path / "log").write_text(f"{complaint}\n{NPU_SMI}")
    assert main(["parse", "npu-smi", str(tmp_path / "log")]) == 0
    assert capsys.readouterr().err == ""


HEALTH = "Health Status : Alarm\nError Code : 80E18402\nError Information : \x1b[31mred \u202e rows\n"


BUNDLE = f"""\
npu-smi info
{NPU_SMI}
npu-smi info -t health -i 3 -c 0
Health Status : Alarm
Error Code : 80E18402 DEADBEEF A4025021
Error Information : x
hccn_tool -i 3 -link -g
link status: DOWN
hccn_tool -i 3 -ub_connect -g
| NPU | UDie | Port | rs_mode |
| 3   | 0    | 4    | on      |
"""


def test_what_a_bundle_holds_beside_the_table_is_not_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that looks well says nothing of links and codes; the same file does."""
    (tmp_path / "bundle.txt").write_text(BUNDLE)
    assert main(["parse", "npu-smi", str(tmp_path / "bundle.txt"), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert len(value["devices"]) == 1
    found = [(one["kind"], one["npu_id"]) for one in value["more"]]
    assert found == [("health", 3), ("link", 3), ("ub_connect", 3)]
    assert main(["parse", "npu-smi", str(tmp_path / "bundle.txt")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "  link status: DOWN" in out
    start = out.index("  Error Code: 80E18402 DEADBEEF A4025021")
    assert out[start + 1].startswith("    80E18402: HBM: ")
    assert out[start + 1].endswith(", SeparateNPU")
    assert out[start + 2] == "    A4025021: NotHandleFault"


def test_other_kinds_say_their_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "health.txt").write_text(HEALTH)
    assert main(["parse", "npu-smi", str(tmp_path / "health.txt"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["kind", "npu_id", "chip_id", "values", "extra"]
    assert answer["values"]["Error Code"] == ["80E18402"]
    assert main(["parse", "npu-smi", str(tmp_path / "health.txt")]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[:3] == [
        "health, NPU -, chip -",
        "  Health Status: Alarm",
        "  Error Code: 80E18402",
    ]
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_mapping_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.txt").write_text(
        "NPU ID  Chip ID  Chip Logic ID  Chip Name\n4  0  0  Ascend 910B3\n4  1  -  Mcu\n"
    )
    assert main(["parse", "npu-smi", str(tmp_path / "m.txt")]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["npu_id", "chip_id", "chip_logic_id", "name"],
        ["4", "0", "0", "Ascend", "910B3"],
        ["4", "1", "-", "Mcu"],
    ]


def test_nothing_of_a_long_file_is_dropped_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "saved").write_text(NPU_SMI + "x" * LONGEST_TEXT)
    assert main(["parse", "npu-smi", str(tmp_path / "saved")]) == 3
    assert "larger than 4 MiB" in capsys.readouterr().err


def test_a_file_without_end_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "npu-smi", "/dev/zero"]) == 3
    assert "larger than 4 MiB" in capsys.readouterr().err
