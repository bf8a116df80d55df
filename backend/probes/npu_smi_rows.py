"""The rows of the tables of `npu-smi info`: two a chip, one a process. Pure, and nothing here raises.

Formats: Huawei npu-smi reference; npu_info_print.c of the open-source driver (hicann/driver).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backend.events import DeviceReading, Health, ProcessReading
from backend.probes.npu_smi_layout import DeviceColumns, ProcessColumns

# a used value of five digits is glued to its slash: `57784/ 65536`
_ITEM = re.compile(r"([0-9]{1,12}|NA|N/A|-)\s*/\s*([0-9]{1,12}|NA|N/A|-)(?=\s|$)|(\S+)")
_WHOLE = re.compile(r"-?[0-9]{1,12}")
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
_BUS_ID = re.compile(r"[0-9A-Fa-fxX*]{4,8}:[0-9A-Fa-fxX*]{2}:[0-9A-Fa-fxX*]{2}\.[0-9A-Fa-fxX*]")
_NOTHING = frozenset({"", "NA", "N/A", "-"})

Pair = tuple[int | None, int | None]
_NO_PAIR: Pair = (None, None)


@dataclass(frozen=True, slots=True)
class HealthRow:
    """The first row of a chip."""

    npu_id: int
    name: str
    health: str
    power_w: float | None
    temp_c: int | None
    hugepages: Pair


def columns_by_shape(cells: list[str]) -> DeviceColumns | ProcessColumns | None:
    """For excerpts without a header: what the row itself gives away."""
    if len(cells) == 3:
        pairs = sum(isinstance(value, tuple) for value in items_of(cells[2]))
        # 310 prints two numbers and no HBM, 910 one number and HBM, A3 two numbers and HBM
        two_ids = len(cells[0].split()) == 2
        return DeviceColumns(has_phy_id=two_ids and pairs == 2, has_hbm=pairs == 2)
    if len(cells) in (4, 5) and all(_whole(cell) is not None for cell in (cells[1], cells[3])):
        inside = 4 if len(cells) == 5 else None
        return ProcessColumns(len(cells), len(cells[0].split()) == 2, 1, 2, 3, inside)
    if len(cells) == 4:
        return DeviceColumns(cells=4, has_hbm=True, prints_chip=False)
    return None


def is_usage_row(cells: list[str], values: list[Pair | str]) -> bool:
    """The second row: a percentage and then pairs. The first row has power and temperature before any."""
    if len(values) > 1 and isinstance(values[1], tuple):
        return True
    return _BUS_ID.fullmatch(cells[-2]) is not None or cells[-2] in _NOTHING


def health_row(cells: list[str], values: list[Pair | str]) -> HealthRow | None:
    """What the first row of a chip says; None when it is no such row."""
    words = cells[0].split(maxsplit=1)
    npu_id = _whole(words[0]) if words else None
    if npu_id is None or npu_id < 0 or len(values) < 2:
        return None
    name = cells[1] if len(cells) == 4 else " ".join(words[1:])
    hugepages = values[2] if len(values) > 2 else _NO_PAIR
    return HealthRow(
        npu_id=npu_id,
        name=name,
        health=cells[-2] or Health.UNKNOWN.value,
        power_w=_number(values[0]),
        temp_c=_whole(values[1]),
        hugepages=hugepages if isinstance(hugepages, tuple) else _NO_PAIR,
    )


def device_of(
    row: HealthRow | None, cells: list[str], values: list[Pair | str], columns: DeviceColumns
) -> DeviceReading | None:
    """The chip whose first row is `row` and whose second one is `cells`; None when these are not its rows."""
    ids = [_whole(word) for word in cells[0].split()]
    chip_id = (ids[0] if ids else None) if columns.prints_chip else 0
    if row is None or chip_id is None or chip_id < 0:
        return None
    pairs = [value if isinstance(value, tuple) else _NO_PAIR for value in values[1:]]
    memory = pairs.pop(0) if columns.has_memory and pairs else _NO_PAIR
    hbm = pairs.pop(0) if columns.has_hbm and pairs else _NO_PAIR
    return DeviceReading(
        npu_id=row.npu_id,
        chip_id=chip_id,
        phy_id=ids[1] if columns.has_phy_id and len(ids) > 1 else None,
        name=row.name,
        health=_believed_health(row, memory[1], hbm[1]),
        power_w=row.power_w,
        temp_c=row.temp_c,
        hugepages_used=row.hugepages[0],
        hugepages_total=row.hugepages[1],
        bus_id=None if cells[-2] in _NOTHING else cells[-2],
        aicore_pct=_whole(values[0]) if values else None,
        memory_used_mb=memory[0],
        memory_total_mb=memory[1],
        hbm_used_mb=hbm[0],
        hbm_total_mb=hbm[1],
    )


def _believed_health(row: HealthRow, memory_total: int | None, hbm_total: int | None) -> str:
    """The printed word; but npu-smi zeroes its answer first, and the zero of Health is OK.

    So a card whose queries all failed prints OK, 0.0 W, 0 C and no memory at all, or no name.
    """
    cold = not row.temp_c and not row.power_w
    empty = not memory_total and not hbm_total
    if row.health == Health.OK and cold and (empty or not row.name):
        return Health.UNKNOWN.value
    return row.health


def process_of(cells: list[str], columns: ProcessColumns) -> ProcessReading | None:
    """A row of the table of processes; None for any other row."""
    ids = [_whole(word) for word in cells[0].split()]
    pid = _whole(cells[columns.pid])
    npu_id = ids[0] if ids else None
    if npu_id is None or pid is None:
        return None
    inside = columns.container_pid
    return ProcessReading(
        npu_id=npu_id,
        chip_id=ids[1] if columns.has_chip and len(ids) > 1 else None,
        pid=pid,
        name=cells[columns.name],
        memory_mb=_whole(cells[columns.memory]),
        container_pid=None if inside is None else _whole(cells[inside]),
    )


def items_of(cell: str) -> list[Pair | str]:
    """`0 1232 / 15137` -> ["0", (1232, 15137)]."""
    return [
        match.group(3) if match.group(3) is not None else (_whole(match.group(1)), _whole(match.group(2)))
        for match in _ITEM.finditer(cell)
    ]


def _whole(value: Pair | str) -> int | None:
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def _number(value: Pair | str) -> float | None:
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None
