"""The NPUs' own network: which chips are asked, under which numbers, and what their answers mean."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Status, Verdict
from backend.preflight.roce_items import roce_items
from backend.preflight.setting import Setting

NODES = tuple(Node(f"n{number}", "h", "192.0.2.1", 2, "/ws") for number in (1, 2))
A3 = "NPU ID Chip ID Chip Logic ID Chip Phy-ID Chip Name\n" + "".join(
    f"{npu} {chip} {2 * npu + chip} {2 * npu + chip} Ascend910\n{npu} 2 - - Mcu\n"
    for npu in range(2)
    for chip in (0, 1)
)
ANSWERS = 'case $3 in -ip) echo "ipaddr:10.0.0.$2" ;; *) echo "dev_id:$2, tls switch[0]" ;; esac'


def asked(tools: Path, npus: int, mapping: str, hccn_tool: str | None = ANSWERS) -> dict[str, Verdict]:
    """The real script, with tools that answer so."""
    tool(tools, "npu-smi", mapping)
    if hccn_tool is not None:
        tool(tools, "hccn_tool", hccn_tool)
    nodes = tuple(Node(node.name, node.host, node.address, npus, "/ws") for node in NODES)
    items = roce_items(nodes[0], Setting(nodes, "/s", None, 6000))
    done = subprocess.run(
        items[0].argv, env={"PATH": f"{tools}:{os.environ['PATH']}"}, capture_output=True, check=True
    )
    return {item.name: item.judge(Completed(0, done.stdout, done.stderr)) for item in items}


def tool(tools: Path, name: str, text: str) -> None:
    (tools / name).write_text(f"#!/bin/sh\n{text}\n")
    (tools / name).chmod(0o755)


def lists(mapping: str) -> str:
    return f"cat <<'END'\n{mapping}\nEND"


def test_two_chips_of_a_card_are_asked_by_their_physical_numbers(tmp_path: Path) -> None:
    found = asked(tmp_path, 4, lists(A3))
    assert found["roce_ip"].value == "10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.3"
    assert found["tls"].status is Status.OK


def test_no_more_are_asked_than_are_needed(tmp_path: Path) -> None:
    assert asked(tmp_path, 2, lists(A3))["roce_ip"].value == "10.0.0.0 10.0.0.1"


@pytest.mark.parametrize(
    ("npu_smi", "said"),
    [
        ("exit 187", "`npu-smi info -m` lists no NPU: no answer"),
        (
            "echo Failed to get card number.; exit 1",
            "`npu-smi info -m` lists no NPU: Failed to get card number.",
        ),
    ],
)
def test_what_npu_smi_does_not_list_is_not_guessed(tmp_path: Path, npu_smi: str, said: str) -> None:
    for verdict in asked(tmp_path, 2, npu_smi).values():
        assert (verdict.status, verdict.found) == (Status.UNKNOWN, said)


def test_a_refused_question_is_no_missing_address(tmp_path: Path) -> None:
    found = asked(tmp_path, 2, lists(A3), 'echo "Permission denied, root only"; exit 1')
    words = "hccn_tool says nothing of NPU 0,1: Permission denied, root only"
    assert {(one.status, one.found) for one in found.values()} == {(Status.UNKNOWN, words)}


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    found = asked(tmp_path, 2, lists(A3), None)
    assert {one.found for one in found.values()} == {"hccn_tool is not found"}
