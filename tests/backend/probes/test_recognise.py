"""A text says itself what it is; every kind gives the values that a person reads in it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from backend.probes.answer import to_json
from backend.probes.npu_smi_info import NpuSmiInfo
from backend.probes.recognise import Document, read, read_answers
from tests.backend.probes.answer_texts import CASES, LIST, MAPPING_A3, TOPOLOGY

CAPTURES = Path(__file__).resolve().parents[3] / ".." / "shared" / "captures" / "npu-smi"
with_captures = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason="the shared captures are not beside this checkout"
)


def shown(document: Document) -> dict[str, Any]:
    if isinstance(document, NpuSmiInfo):
        processes = [asdict(process) for process in document.processes]
        for process in processes:
            del process["container_pid"]
        devices = [asdict(device) for device in document.devices]
        return {"tool_version": document.tool_version, "devices": devices, "processes": processes}
    answer = document if isinstance(document, dict) else to_json(document)
    return json.loads(json.dumps(answer))  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_values_of_every_kind(name: str, end: str) -> None:
    text, expected = CASES[name]
    assert shown(read(text.replace("\n", end))) == expected


@pytest.mark.parametrize("name", CASES)
def test_colours_change_nothing(name: str) -> None:
    text, expected = CASES[name]
    coloured = "".join(f"\x1b[32m{line}\x1b[0m\n" for line in text.splitlines())
    assert shown(read(coloured)) == expected


def test_mapping_list_and_topology_have_shapes_of_their_own() -> None:
    assert shown(read(MAPPING_A3)) == {
        "mapping": [
            {"npu_id": 1, "chip_id": 1, "chip_logic_id": 3, "phy_id": 3, "name": "Ascend910"},
            {"npu_id": 1, "chip_id": 2, "chip_logic_id": None, "phy_id": None, "name": "Mcu"},
        ]
    }
    assert shown(read(LIST)) == {
        "total_count": 16,
        "npus": [{"npu_id": 12, "chip_count": 1, "product_name": None, "serial_number": None}],
    }
    assert shown(read(TOPOLOGY)) == {
        "links": {
            "Phy-ID0": {"Phy-ID0": "X", "Phy-ID1": "SIO"},
            "Phy-ID1": {"Phy-ID0": "SIO", "Phy-ID1": "X"},
        },
        "cpu_affinity": {"Phy-ID0": "0-23,48-71", "Phy-ID1": "0-23,48-71"},
    }


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "dcmi module initialize failed. ret is -8005\n", "DrvMng failed. (ret=4)\nret is -8020\n"],
)
def test_silence_and_a_driver_that_refuses_are_tables_without_cards(text: str) -> None:
    assert shown(read(text)) == {"tool_version": None, "devices": [], "processes": []}


def test_other_text_is_said_to_be_unknown() -> None:
    [answer] = read_answers("Collecting environment information...\n")
    assert (answer.kind, answer.extra["lines"]) == ("unknown", ["Collecting environment information..."])


@with_captures
def test_agrees_with_every_expected_capture() -> None:
    wrong = []
    names = sorted((CAPTURES / "expected").glob("*.json"))
    assert names
    for name in names:
        text = (CAPTURES / "captures" / f"{name.stem}.txt").read_text(errors="replace")
        if shown(read(text)) != json.loads(name.read_text()):
            wrong.append(name.stem)
    assert not wrong


# the index names the command; these files say something else than the command's usual answer
OTHER_KINDS = {
    "032": "error",
    "065": "unsupported",
    "161": "unsupported",
    "163": "unsupported",
    "069": "reset",
    "035": "driver_version",
    "036": "firmware_version",
    "070": "version",
    "122": "hccn_conf",
    "113": "dmesg",
    "159": "unknown",
    "140": "info",
}


def kind_asked(command: str) -> str:
    """The kind that a command of the index asks for."""
    if "hccn_tool" in command:
        return next(word for word in re.findall(r" -([a-z_]{2,})", command))
    if match := re.search(r" -t ([a-z-]+)", command):
        return match.group(1)
    return "watch" if " watch" in command else "info"


@with_captures
def test_reads_every_other_capture_as_the_kind_that_was_asked_for() -> None:
    wrong = []
    for line in (CAPTURES / "index.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if (CAPTURES / "expected" / entry["file"].replace(".txt", ".json")).exists():
            continue
        read_as = shown(read((CAPTURES / "captures" / entry["file"]).read_text(errors="replace")))
        kind = read_as.get("kind", "info")
        expected = OTHER_KINDS.get(entry["file"][:3]) or kind_asked(entry["command"])
        if kind != expected or (
            kind not in ("info", "unknown") and not read_as["values"] and not read_as["extra"]
        ):
            wrong.append((entry["file"], kind, expected))
    assert not wrong
