"""What `npu-smi info` prints for cards of the 910B generation, from plain numbers. Standard library alone.

Layout: tool release 23, one chip a card, 98 columns; the four-cell header of the 910 family. At most eight
processes of a chip are printed, and nothing says that there are more (Huawei's npu-smi source).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

TOOL_VERSION = "23.0.6"
CHIP_NAME = "910B3"
HBM_TOTAL_MB = 65536
MOST_PROCESSES = 8
_BUS = ("C1", "C2", "81", "82", "01", "02", "41", "42")
_BORDER = "+" + "-" * 96 + "+"
_DEVICES = (27, 15, 52)
_PROCESSES = (27, 15, 26, 25)


class Chip:
    """One card: `processes` are (pid, name, MB)."""

    def __init__(
        self,
        npu_id: int,
        health: str,
        power_w: float,
        temp_c: int,
        aicore_pct: int,
        hbm_used_mb: int,
        processes: Sequence[tuple[int, str, int]] = (),
    ) -> None:
        self.npu_id = npu_id
        self.health = health
        self.power_w = power_w
        self.temp_c = temp_c
        self.aicore_pct = aicore_pct
        self.hbm_used_mb = hbm_used_mb
        self.processes = processes


def info_text(chips: Sequence[Chip]) -> str:
    """The whole table: cards, then processes."""
    lines = [
        _BORDER,
        _row((96,), (f"npu-smi {TOOL_VERSION:<24} Version: {TOOL_VERSION}",)),
        _line("-", _DEVICES),
    ]
    lines.append(
        _row(_DEVICES, ("NPU   Name", "Health", "Power(W)    Temp(C)           Hugepages-Usage(page)"))
    )
    lines.append(_row(_DEVICES, ("Chip", "Bus-Id", "AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)")))
    lines.append(_line("=", _DEVICES))
    for chip in chips:
        lines += [*_chip_rows(chip), _line("=", _DEVICES)]
    lines.append(_line("-", _PROCESSES))
    lines.append(_row(_PROCESSES, ("NPU     Chip", "Process id", "Process name", "Process memory(MB)")))
    lines.append(_line("=", _PROCESSES))
    for chip in chips:
        lines += [*_process_rows(chip), _line("=", _PROCESSES)]
    return "\n".join(lines) + "\n"


def list_text(npus: Iterable[int]) -> str:
    """`npu-smi info -l`."""
    ids = tuple(npus)
    blocks = "".join(f"\n{_pair('NPU ID', npu)}{_pair('Chip Count', 1)}" for npu in ids)
    return _pair("Total Count", len(ids)) + blocks


def mapping_text(npus: Iterable[int]) -> str:
    """`npu-smi info -m`; a card's controller is listed beside its chip, without a logic id."""
    rows = [("NPU ID", "Chip ID", "Chip Logic ID", "Chip Name")]
    for npu in npus:
        rows += [(str(npu), "0", str(npu), f"Ascend {CHIP_NAME}"), (str(npu), "1", "-", "Mcu")]
    return "".join("\t" + "".join(f"{cell:<31}" for cell in row).rstrip() + "\n" for row in rows)


def _chip_rows(chip: Chip) -> tuple[str, str]:
    bus = f"0000:{_BUS[chip.npu_id % len(_BUS)]}:00.0"
    first = (
        f"{chip.npu_id:<6}{CHIP_NAME}",
        chip.health,
        f"{chip.power_w:<12.1f}{chip.temp_c:<18}{_usage(0, 0)}",
    )
    second = ("0", bus, f"{chip.aicore_pct:<12}{_usage(0, 0):<18}{_usage(chip.hbm_used_mb, HBM_TOTAL_MB)}")
    return _row(_DEVICES, first), _row(_DEVICES, second)


def _process_rows(chip: Chip) -> list[str]:
    if not chip.processes:
        return [_row((96,), (f"No running processes found in NPU {chip.npu_id}",))]
    return [
        _row(_PROCESSES, (f"{chip.npu_id:<8}0", str(pid), name, str(memory_mb)))
        for pid, name, memory_mb in chip.processes[:MOST_PROCESSES]
    ]


def _usage(used: int, total: int) -> str:
    """As the tool spells it: a used value of five digits touches the slash."""
    return f"{used:<5}/ {total}"


def _pair(name: str, value: int) -> str:
    return f"\t{name:<30} : {value}\n"


def _row(widths: Sequence[int], cells: Sequence[str]) -> str:
    return "|" + "|".join(f" {cell}".ljust(width) for width, cell in zip(widths, cells)) + "|"  # noqa: B905


def _line(mark: str, widths: Sequence[int]) -> str:
    return "+" + "+".join(mark * width for width in widths) + "+"
