"""`npu-smi info -m`, `-l`, `-t topo` and `watch`: tables and lists without bars.

Formats: Huawei npu-smi reference; npu_info_print.c, npu_info_watch.c of the open driver (hicann/driver).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from backend.probes.answer import Answer, Value, pair_of, value_of

MOST_ROWS = 4096
_MAPPING_COLUMNS = {
    "NPU ID": "npu_id",
    "Slot ID": "slot_id",
    "Chip ID": "chip_id",
    "Chip Logic ID": "chip_logic_id",
    "Chip Phy-ID": "phy_id",
    "Chip Name": "name",
}
_MAPPING_NAME = re.compile("|".join(name.replace(" ", r"\s") for name in _MAPPING_COLUMNS))
_LABEL = re.compile(r"(?:NPU|NIC|Phy-ID|DIE)\d{1,4}")
_RELATION = re.compile(r"[A-Za-z][A-Za-z0-9_/*-]{0,15}")
_AFFINITY = re.compile(r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*")
_WATCH_NAME = re.compile(r"[^()\s][^()]{0,30}\([^()]{1,10}\)")
_ID = re.compile(r"[0-9]{1,9}")


def read_mapping(lines: Sequence[str]) -> dict[str, Any] | None:
    """`-m`: which chip is where. None when `lines` are something else; of several tables the last one counts.

    A chip's controller (`Mcu`) has no logic id: it is listed, and it is no NPU.
    """
    columns: list[str] = []
    mapping: list[dict[str, Any]] = []
    for line in lines:
        names = _MAPPING_NAME.findall(line) if ":" not in line else []
        if len(names) > 2 and names[0] == "NPU ID":
            columns = [_MAPPING_COLUMNS[" ".join(name.split())] for name in names]
            mapping = []
        elif columns and len(mapping) < MOST_ROWS:
            cells = line.split(maxsplit=len(columns) - 1)
            if len(cells) == len(columns) and _ID.fullmatch(cells[0]):
                mapping.append(
                    {
                        column: cell.strip() if column == "name" else _id(cell)
                        for column, cell in zip(columns, cells, strict=True)
                    }
                )
    return {"mapping": mapping} if columns else None


def read_list(lines: Sequence[str]) -> dict[str, Any] | None:
    """`-l`: the cards that the driver sees. None when `lines` are something else; the last list counts."""
    total: int | None = None
    npus: list[dict[str, Any]] = []
    found = False
    for name, text in filter(None, map(pair_of, lines)):
        if name in ("Total Count", "Card Count"):
            total, found, npus = _id(text), True, []
        elif not found or len(npus) >= MOST_ROWS:
            continue
        elif name in ("NPU ID", "Card ID"):
            blank = {"chip_count": None, "product_name": None, "serial_number": None}
            npus.append({"npu_id": _id(text), **blank})
        elif npus and name == "Chip Count":
            npus[-1]["chip_count"] = _id(text)
        elif npus and name in ("Product Name", "Serial Number"):
            npus[-1][name.lower().replace(" ", "_")] = value_of(name, text)[0]
    return {"total_count": total, "npus": npus} if found else None


def read_topology(lines: Sequence[str]) -> dict[str, Any] | None:
    """`-t topo`: how each pair of devices is connected, and the processors near. None: something else."""
    labels: list[str] = []
    links: dict[str, dict[str, str]] = {}
    affinity: dict[str, str] = {}
    for line in lines:
        words = line.split()
        header = _topology_header(words)
        if header:
            labels = header
        elif labels and words and words[0] in labels:
            cells, rest = words[1 : len(labels) + 1], words[len(labels) + 1 :]
            if all(_RELATION.fullmatch(cell) for cell in cells):
                links[words[0]] = dict(zip(labels, cells, strict=False))
                if rest and _AFFINITY.fullmatch(rest[0]):
                    affinity[words[0]] = rest[0]
    return {"links": links, "cpu_affinity": affinity or None} if links else None


def _topology_header(words: Sequence[str]) -> list[str]:
    """The labels, if these words are a header: labels alone, then perhaps `CPU Affinity`."""
    labels = [word for word in words if _LABEL.fullmatch(word)]
    rest = list(words[len(labels) :])
    is_header = bool(labels) and list(words[: len(labels)]) == labels and rest in ([], ["CPU", "Affinity"])
    return labels[:MOST_ROWS] if is_header else []


def read_watch(lines: Sequence[str]) -> Answer | None:
    """`watch`: `values` is the last row, `extra["rows"]` all of them. None: something else."""
    names: list[str] = []
    rows: list[dict[str, Value]] = []
    for line in lines:
        if line.lstrip().startswith("NpuID("):
            names = _WATCH_NAME.findall(line)
            continue
        cells = line.split()
        if names and len(cells) == len(names) and _ID.fullmatch(cells[0]) and len(rows) < MOST_ROWS:
            rows.append({name: value_of("", cell)[0] for name, cell in zip(names, cells, strict=True)})
    if not names:
        return None
    last = dict(rows[-1]) if rows else {}
    npu_id, chip_id = last.pop("NpuID(Idx)", None), last.pop("ChipId(Idx)", None)
    return Answer(
        "watch",
        npu_id if isinstance(npu_id, int) else None,
        chip_id if isinstance(chip_id, int) else None,
        last,
        {"rows": rows},
    )


def _id(text: str) -> int | None:
    text = text.strip()
    return int(text) if _ID.fullmatch(text) else None
