"""Which columns a table of `npu-smi info` has: told by its header words, never by its widths."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backend.probes.screen_text import has_places, pages_of

# colours and cursor moves, titles of windows, controls
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]{0,200}\x07|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# before a row or a border
_HOST = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,252}): ?(?=[|+])")
LONGEST_LINE = 4096
LONGEST_TEXT = 4 << 20  # characters; what comes after them is not read


@dataclass(frozen=True, slots=True)
class DeviceColumns:
    """The device table. 950 has four cells a row and prints no chip; A3 prints the physical id."""

    cells: int = 3
    has_phy_id: bool = False
    has_memory: bool = True
    has_hbm: bool = False
    prints_chip: bool = True


@dataclass(frozen=True, slots=True)
class ProcessColumns:
    """The process table: `cells` in a row, and which of them holds what (`container_pid` from 26.x on)."""

    cells: int
    has_chip: bool
    pid: int
    name: int
    memory: int
    container_pid: int | None


def clean_lines(text: str) -> list[str]:
    """Lines without colours, control characters, and what no table row can be (longer than LONGEST_LINE).

    What was written with cursor moves is put at its places first.
    """
    text = text[:LONGEST_TEXT]
    if has_places(text):
        text = pages_of(text, LONGEST_TEXT)
    lines = _apart(_unwrapped(re.split(r"[\r\n]+", text)))
    return [_CONTROL.sub("", line).rstrip() for line in lines if len(line) <= LONGEST_LINE]


def _unwrapped(lines: list[str]) -> list[str]:
    """Rows that a narrow terminal has broken, whole again: all of their first parts are equally long."""
    width = max(map(len, lines), default=0)
    whole: list[str] = []
    last = ""
    for line in lines:
        broken = whole and len(last) == width and whole[-1].startswith("|") and not last.endswith("|")
        if broken and len(whole[-1]) <= LONGEST_LINE and not line.startswith(("|", "+")):
            whole[-1] += line
        else:
            whole.append(line)
        last = line
    return whole


def _apart(lines: list[str]) -> list[str]:
    """What pdsh or clush printed of several nodes at a time, `n01: …`, one node after the other."""
    hosts = [match.group(1) if (match := _HOST.match(line)) else "" for line in lines]
    places = {host: place for place, host in enumerate(dict.fromkeys(filter(None, hosts)), 1)}
    if len(places) < 2:
        return lines
    ordered = sorted(range(len(lines)), key=lambda index: places.get(hosts[index], 0))
    return [lines[index] for index in ordered]


def is_separator(line: str) -> bool:
    """A border. Docs write `|` for its `+`, or drop the last one; a log prefix may stand before it."""
    prefix = line.rstrip("-=+| \t")
    border = line[len(prefix) :]
    return ("---" in border or "===" in border) and (not prefix or border[0] in " \t+|")


def split_cells(line: str) -> list[str]:
    """What stands between the bars. Text before the first bar (prompt, timestamp) is no cell."""
    parts = [part.strip() for part in line.split("|")]
    return parts[1:-1] if len(parts) > 2 and not parts[-1] else parts[1:]


def device_columns(line: str) -> DeviceColumns | None:
    """The columns, if `line` is the second header line of a device table (the one with Bus-Id)."""
    words = line.lower()
    if "bus-id" not in words or "|" not in words:
        return None
    wide = "npu util" in words
    return DeviceColumns(
        cells=4 if wide else 3,
        has_phy_id="phy-id" in words,
        has_memory="memory-usage" in words,
        has_hbm="hbm-usage" in words,
        prints_chip=not wide,
    )


def is_device_header(line: str) -> bool:
    """The first header line of a device table."""
    words = line.lower()
    return "|" in words and "health" in words and "name" in words and "temp" in words


def process_columns(line: str) -> ProcessColumns | None:
    """The columns, if `line` is the header of a process table."""
    names = [" ".join(cell.lower().split()) for cell in split_cells(line)]
    if "process id" not in names or "process name" not in names:
        return None
    first = names.index("process id") - 1
    if first < 0:
        return None
    names = names[first:]
    memory = next((index for index, name in enumerate(names) if name.startswith("process memory")), -1)
    inside = next((index for index, name in enumerate(names) if "in container" in name), None)
    if memory < 0:
        return None
    return ProcessColumns(
        cells=len(names),
        has_chip="chip" in names[0],
        pid=1,
        name=names.index("process name"),
        memory=memory,
        container_pid=inside,
    )
