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
from backend.probes.npu_smi_rows import (
    HealthRow,
    columns_by_shape,
    device_of,
    health_row,
    is_usage_row,
    items_of,
    process_of,
)

_BANNER = re.compile(r"\|\s*npu-smi\s+(\S+)\s+Version\s*:", re.IGNORECASE)
_COMPLAINT = re.compile(r"failed|Failed to |\[WARNING\]|ret is -\d")
# far more than a node has: what a hostile text holds beyond them is not kept
MOST_DEVICES = 1024
MOST_PROCESSES = 8 * MOST_DEVICES


@dataclass(frozen=True, slots=True)
class NpuSmiInfo:
    """All that one answer of `npu-smi info` says. `tool_version`: first version of the banner, as printed.

    `tables`: how many the text held; `shown`: which of them this is, counted from 1. `complaint`: what the
    tool said after the last one, such as that it fails by now. `cut`: the text ends within this table;
    `lists_processes`: it has come to the part that names them, which an old tool does not print.
    """

    tool_version: str | None
    devices: tuple[DeviceReading, ...]
    processes: tuple[ProcessReading, ...]
    tables: int = 1
    shown: int = 1
    complaint: str = ""
    cut: bool = False
    lists_processes: bool = False


@dataclass(slots=True)
class _Table:
    """What one table has said so far. `pending` waits for the second row of its chip.

    `closed`: its last line is a border; `has_processes`: it has come to its table of processes. `headed`: it
    has a banner or a header, so it is no excerpt. `bordered`: no row of it comes after its last border.
    """

    tool_version: str | None = None
    devices: dict[tuple[int, int], DeviceReading] = field(default_factory=dict)
    processes: list[ProcessReading] = field(default_factory=list)
    columns: DeviceColumns | ProcessColumns | None = None
    pending: HealthRow | None = None
    closed: bool = False
    has_processes: bool = False
    headed: bool = False
    bordered: bool = True

    @property
    def cut(self) -> bool:
        """Whether it ends in the midst: between the two rows of a chip, without a border, before a card."""
        without_card = not self.devices and not self.has_processes
        return self.pending is not None or (self.headed and (not self.bordered or without_card))

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
            # what fails after its banner has said so
            table.cut and not (self.complaint and not table.devices),
            table.has_processes,
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
            state.table.pending, state.table.closed, state.table.bordered = None, True, True
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
            state.table.headed = True
        elif not _read_header(state, line):
            _read_row(state, split_cells(line))
        state.table.closed = False
        # a bar alone is a pipe in a prompt
        if line.lstrip().startswith("|") or line.count("|") > 1:
            state.table.bordered = False
    return state.end()


def _read_header(state: _Reading, line: str) -> bool:
    columns = device_columns(line) or process_columns(line)
    starts = is_device_header(line) or isinstance(columns, DeviceColumns)
    if starts and state.table.begun:
        state.begin()
    state.table.headed |= starts or columns is not None
    if columns is None:
        return starts
    state.table.columns, state.table.pending = columns, None
    state.table.has_processes |= isinstance(columns, ProcessColumns)
    return True


def _read_row(reading: _Reading, cells: list[str]) -> None:
    state = reading.table
    columns = state.columns or columns_by_shape(cells)
    if columns is None or len(cells) < columns.cells:
        return
    # a log prefix may bring bars of its own: ours are the last ones
    cells = cells[-columns.cells :]
    if isinstance(columns, ProcessColumns):
        process = process_of(cells, columns)
        if process is not None and len(state.processes) < MOST_PROCESSES:
            state.processes.append(process)
        return
    values = items_of(cells[-1])
    if is_usage_row(cells, values):
        device = device_of(state.pending, cells, values, columns)
        state.pending = None
        if device is not None:
            _take_device(reading, device)
    else:
        state.pending = health_row(cells, values)


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
