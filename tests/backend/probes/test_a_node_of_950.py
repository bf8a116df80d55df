"""A node of the 950 generation: no chip ids, another hccn_tool; one that is well has nothing to say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.events import Level, NodeDetailed, NodeObserved
from backend.inventory import Node
from backend.probes.probe_worker import examine
from tests.backend.probes.test_probe_worker import Here

NODE = Node("n01", "n01", "n01", 2, "/w")
# after Huawei's npu-smi and hccn_tool references for the 950
NPU_SMI = """\
head='| NPU ID | Name | Health | Power(W)    Temp(C)           Hugepages-Usage(page) |
|        |      | Bus-Id | NPU Util(%) Memory-Usage(MB)  HBM-Usage(MB)         |
+========+======+========+=====================================================+'
case "$*" in
info)
    echo '| npu-smi 26.0   Version: 26.0 |'
    echo "$head"
    for npu in 0 1; do
        echo "| $npu | 950 | OK           | 204.4 56 0 / 0 |"
        echo "|      |     | 0000:91:00.0 | 0 0 / 0 4439  / 131072 |"
    done
    ;;
"info -m")
    echo "NPU ID          Slot ID          Chip ID          Chip Phy-ID          Chip Name"
    echo "0               0                0                0                    950"
    echo "1               1                0                1                    950"
    ;;
"info -t health -i "[01])
    printf 'NPU ID : %s\\nHealth : OK\\nError Code : NA\\nError Information : NA\\n' "$5" ;;
"info -t ecc -i "[01])
    printf 'NPU ID : %s\\nHBM Single Bit Error Count : 0\\nHBM Double Bit Error Count : 0\\n' "$5"
    printf 'HBM Double Bit Isolated Pages Count : 0\\nHBM Double Bit Next-Isolated Pages Count : 0\\n' ;;
"info -t usages -i "[01])
    printf 'NPU ID : %s\\nHBM Capacity(MB) : 131072\\nNPU Utilization(%%) : 0\\n' "$5" ;;
"info -t common -i "[01])
    printf 'NPU ID : %s\\nAicore Freq(MHZ) : 1650\\nAicore curFreq(MHZ) : 100\\n' "$5" ;;
"info -t memory -i "[01])
    printf 'NPU ID : %s\\nHBM Capacity(MB) : 131072\\nHBM Clock Speed(MHz) : 3200\\n' "$5" ;;
"info -t current-fault-event -i "[01]) printf 'Fault Event Count : 0\\n' ;;
"info -t sio-info -i "[01]) printf 'NPU ID : %s\\nTX Error Count : 0\\nRX Error Count : 0\\n' "$5" ;;
"info -t "*"-i "[01]) echo "This device does not support querying ${3}." ;;
*) echo "Usage: npu-smi info"; exit 1 ;;
esac
"""
CONNECTED = "link status : UP\\nport 4 : UP\\nport 5 : UP\\n"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    put(tmp_path, "npu-smi", NPU_SMI)
    here = Here(tmp_path)
    yield here
    await here.close()


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def hccn_tool(folder: Path, said: str) -> None:
    script = (
        f'[ "$1 $2 $3" = "-g -ub_connect -i" ] || {{ echo "Usage : hccn_tool"; exit 1; }}\nprintf "{said}"'
    )
    put(folder, "hccn_tool", script)


async def examined(here: Here) -> NodeDetailed:
    seen, detailed = await examine(here, NODE, deep=True)
    assert isinstance(seen, NodeObserved)
    assert [(one.npu_id, one.chip_id) for one in seen.devices] == [(0, 0), (1, 0)]
    assert detailed is not None
    return detailed


@pytest.mark.parametrize("said", [CONNECTED, "link status : DOWN\\n"])
async def test_one_that_is_well(here: Here, tmp_path: Path, said: str) -> None:
    """Also a card that is connected to no other: it has no valid port, and says DOWN."""
    hccn_tool(tmp_path, said)
    detailed = await examined(here)
    assert detailed.findings == ()
    assert dict(detailed.not_answered) == {}
    assert {one.failed.get("link", "") for one in detailed.devices} == {""}


async def test_one_with_a_broken_port_and_a_fault(here: Here, tmp_path: Path) -> None:
    hccn_tool(tmp_path, CONNECTED.replace("UP", "PARTIAL LINK", 1).replace("port 5 : UP", "port 5 : DOWN"))
    broken = NPU_SMI.replace("Health : OK", "Health : Alarm").replace(
        "Error Code : NA", "Error Code : 80E18402"
    )
    put(tmp_path, "npu-smi", broken.replace("| 950 | OK  ", "| 950 | Alarm"))
    detailed = await examined(here)
    found = [(one.rule, one.level, one.npu_id, one.chip_id) for one in detailed.findings]
    assert found == [
        *(("fault_code", Level.CRITICAL, npu, 0) for npu in (0, 1)),
        *(("link_down", Level.WARNING, npu, 0) for npu in (0, 1)),
    ]
    assert detailed.findings[2].what == "link PARTIAL LINK: port 5 DOWN"


async def test_a_fault_event_is_as_grave_as_it_says(here: Here, tmp_path: Path) -> None:
    """A code that nobody has published, of severity 3 (critical) by the node's own word."""
    hccn_tool(tmp_path, CONNECTED)
    event = "event id=0x8FFF0001, severity=3, node type ex=215, node id=0, sub node type ex=0, sub node id=0"
    told = f"printf 'Fault Event Count : 1\\nFault Event Information : {event}\\n'"
    text = NPU_SMI.replace("printf 'Fault Event Count : 0\\n'", told)
    assert text != NPU_SMI
    text = text.replace("Health : OK", "Health : Warning").replace("Error Code : NA", "Error Code : 8FFF0001")
    put(tmp_path, "npu-smi", text.replace("| 950 | OK     ", "| 950 | Warning"))
    detailed = await examined(here)
    assert {(one.rule, one.level, one.code) for one in detailed.findings} == {
        ("fault_code", Level.CRITICAL, "8FFF0001")
    }
