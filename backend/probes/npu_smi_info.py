"""`npu-smi info`, read into plain readings: every layout since 20.2, whatever noise stands around it.

Formats: Huawei npu-smi reference; npu_info_print.c of the open-source driver (hicann/driver).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from backend.events import DeviceReading, Health, ProcessReading
from backend.probes.npu_smi_layout import (
    DeviceColumns,
    ProcessColumns,
    clean_lines,
    device_columns,
    is_device_header,
    is_separator,
    process_columns,
    split_cells,
)

_BANNER = re.compile(r"\|\s*npu-smi\s+(\S+)\s+Version\s*:", re.IGNORECASE)
# a used value of five digits is glued to its slash: `57784/ 65536`
_ITEM = re.compile(r"([0-9]{1,12}|NA|N/A|-)\s*/\s*([0-9]{1,12}|NA|N/A|-)(?=\s|$)|(\S+)")
_WHOLE = re.compile(r"-?[0-9]{1,12}")
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
_BUS_ID = re.compile(r"[0-9A-Fa-fxX*]{4,8}:[0-9A-Fa-fxX*]{2}:[0-9A-Fa-fxX*]{2}\.[0-9A-Fa-fxX*]")
_COMPLAINT = re.compile(r"failed|Failed to |\[WARNING\]|ret is -\d")
_NOTHING = frozenset({"", "NA", "N/A", "-"})
# far more than a node has: what a hostile text holds beyond them is not kept
MOST_DEVICES = 1024
MOST_PROCESSES = 8 * MOST_DEVICES

Pair = tuple[int | None, int | None]
_NO_PAIR: Pair = (None, None)


@dataclass(frozen=True, slots=True)
class NpuSmiInfo:
    """All that one answer of `npu-smi info` says. `tool_version`: first version of the banner, as printed.

    `tables`: how many the text held; `shown`: which of them this is, counted from 1. `complaint`: what the
    tool said after the last one, such as that it fails by now.
    """

    tool_version: str | None
    devices: tuple[DeviceReading, ...]
    processes: tuple[ProcessReading, ...]
    tables: int = 1
    shown: int = 1
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class _HealthRow:
    """The first row of a chip."""

    npu_id: int
    name: str
    health: str
    power_w: float | None
    temp_c: int | None
    hugepages: Pair


@dataclass(slots=True)
class _Table:
    """What one table has said so far. `pending` waits for the second row of its chip.

    `closed`: its last line is a border; `has_processes`: it has come to its table of processes.
    """

    tool_version: str | None = None
    devices: dict[tuple[int, int], DeviceReading] = field(default_factory=dict)
    processes: list[ProcessReading] = field(default_factory=list)
    columns: DeviceColumns | ProcessColumns | None = None
    pending: _HealthRow | None = None
    closed: bool = False
    has_processes: bool = False

    @property
    def begun(self) -> bool:
        return bool(self.devices or self.processes or self.has_processes)


@dataclass(slots=True)
class _Reading:
    """Where we are in the text: the table that is read, the one before it, and how many there were."""

    table: _Table = field(default_factory=_Table)
    before: _Table | None = None
    count: int = 1
    complaint: str = ""

    def begin(self, columns: DeviceColumns | ProcessColumns | None = None) -> None:
        """The next table. One that had not begun is none; of two the later one is kept, unless it is cut."""
        if self.table.begun:
            self.before = self._whole()
            self.count += 1
        self.table = _Table(columns=columns)

    def end(self) -> NpuSmiInfo:
        if self.before is not None and not self.table.begun and self.table.tool_version is None:
            # nothing of a table came after the last border
            self.table, self.count = self.before, self.count - 1
        table = self._whole()
        shown = self.count if table is self.table else self.count - 1
        return NpuSmiInfo(
            table.tool_version,
            tuple(table.devices.values()),
            tuple(table.processes),
            self.count,
            shown,
            self.complaint if table.begun else "",
        )

    def _whole(self) -> _Table:
        before, table = self.before, self.table
        if before is None:
            return table
        cut = (before.has_processes and not table.has_processes) or (before.closed and not table.closed)
        return before if cut or not table.devices else table


def parse(text: str) -> NpuSmiInfo:
    """Read the output of `npu-smi info`; never raises.

    An error text, an empty text or any other text gives no devices. A chip of which only one of the two
    rows is printed is left out: a value must not land at another chip. Of several tables, as a loop leaves
    them in a log, the last whole one counts: it has come as far as the one before it.
    """
    state = _Reading()
    for line in clean_lines(text):
        if is_separator(line):
            state.table.pending, state.table.closed = None, True
            continue
        if "|" not in line:
            if _COMPLAINT.search(line):
                state.complaint = line.strip()[:200]
            continue
        state.complaint = ""
        banner = _BANNER.search(line)
        if banner:
            if state.table.begun:
                state.begin()
            state.table.tool_version = state.table.tool_version or banner.group(1)
        elif not _read_header(state, line):
            _read_row(state, split_cells(line))
        state.table.closed = False
    return state.end()


def _read_header(state: _Reading, line: str) -> bool:
    columns = device_columns(line) or process_columns(line)
    starts = is_device_header(line) or isinstance(columns, DeviceColumns)
    if starts and state.table.begun:
        state.begin()
    if columns is None:
        return starts
    state.table.columns, state.table.pending = columns, None
    state.table.has_processes |= isinstance(columns, ProcessColumns)
    return True


def _read_row(reading: _Reading, cells: list[str]) -> None:
    state = reading.table
    columns = state.columns or _columns_by_shape(cells)
    if columns is None or len(cells) < columns.cells:
        return
    # a log prefix may bring bars of its own: ours are the last ones
    cells = cells[-columns.cells :]
    if isinstance(columns, ProcessColumns):
        process = _process(cells, columns)
        if process is not None and len(state.processes) < MOST_PROCESSES:
            state.processes.append(process)
        return
    values = _items(cells[-1])
    if _is_usage_row(cells, values):
        device = _device(state.pending, cells, values, columns)
        state.pending = None
        if device is not None:
            _take_device(reading, device)
    else:
        state.pending = _health_row(cells, values)


def _take_device(reading: _Reading, device: DeviceReading) -> None:
    """A chip is in a table once: where it comes again without a header, the next table has begun with it."""
    key = (device.npu_id, device.chip_id)
    if next(iter(reading.table.devices), None) == key:
        reading.begin(reading.table.columns)
    devices = reading.table.devices
    known = devices.get(key)
    # of two rows for one chip in the midst of a table the one counts that is not well
    if (known is None and len(devices) < MOST_DEVICES) or (known and known.health == Health.OK):
        devices[key] = device


def _columns_by_shape(cells: list[str]) -> DeviceColumns | ProcessColumns | None:
    """For excerpts without a header: what the row itself gives away."""
    if len(cells) == 3:
        pairs = sum(isinstance(value, tuple) for value in _items(cells[2]))
        # 310 prints two numbers and no HBM, 910 one number and HBM, A3 two numbers and HBM
        two_ids = len(cells[0].split()) == 2
        return DeviceColumns(has_phy_id=two_ids and pairs == 2, has_hbm=pairs == 2)
    if len(cells) in (4, 5) and all(_whole(cell) is not None for cell in (cells[1], cells[3])):
        inside = 4 if len(cells) == 5 else None
        return ProcessColumns(len(cells), len(cells[0].split()) == 2, 1, 2, 3, inside)
    if len(cells) == 4:
        return DeviceColumns(cells=4, has_hbm=True, prints_chip=False)
    return None


def _is_usage_row(cells: list[str], values: list[Pair | str]) -> bool:
    """The second row: a percentage and then pairs. The first row has power and temperature before any."""
    if len(values) > 1 and isinstance(values[1], tuple):
        return True
    return _BUS_ID.fullmatch(cells[-2]) is not None or cells[-2] in _NOTHING


def _health_row(cells: list[str], values: list[Pair | str]) -> _HealthRow | None:
    words = cells[0].split(maxsplit=1)
    npu_id = _whole(words[0]) if words else None
    if npu_id is None or npu_id < 0 or len(values) < 2:
        return None
    name = cells[1] if len(cells) == 4 else " ".join(words[1:])
    hugepages = values[2] if len(values) > 2 else _NO_PAIR
    return _HealthRow(
        npu_id=npu_id,
        name=name,
        health=cells[-2] or Health.UNKNOWN.value,
        power_w=_number(values[0]),
        temp_c=_whole(values[1]),
        hugepages=hugepages if isinstance(hugepages, tuple) else _NO_PAIR,
    )


def _device(
    row: _HealthRow | None, cells: list[str], values: list[Pair | str], columns: DeviceColumns
) -> DeviceReading | None:
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


def _believed_health(row: _HealthRow, memory_total: int | None, hbm_total: int | None) -> str:
    """The printed word; but npu-smi zeroes its answer first, and the zero of Health is OK.

    So a card whose queries all failed prints OK, 0.0 W, 0 C and no memory at all, or no name.
    """
    cold = not row.temp_c and not row.power_w
    empty = not memory_total and not hbm_total
    if row.health == Health.OK and cold and (empty or not row.name):
        return Health.UNKNOWN.value
    return row.health


def _process(cells: list[str], columns: ProcessColumns) -> ProcessReading | None:
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


def _items(cell: str) -> list[Pair | str]:
    """`0 1232 / 15137` -> ["0", (1232, 15137)]."""
    return [
        match.group(3) if match.group(3) is not None else (_whole(match.group(1)), _whole(match.group(2)))
        for match in _ITEM.finditer(cell)
    ]


def _whole(value: Pair | str) -> int | None:
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def _number(value: Pair | str) -> float | None:
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None
