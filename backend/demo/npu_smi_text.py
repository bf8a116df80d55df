"""What `npu-smi info` prints for cards of the 910B generation, from plain numbers. Standard library alone.

Layout: tool release 23, one chip a card, 98 columns; the four-cell header of the 910 family. At most eight
processes of a chip are printed, and nothing says that there are more (Huawei's npu-smi source).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from backend.demo.npu_faults import FINE, WARNING, Fault

TOOL_VERSION = "23.0.6"
CHIP_NAME = "910B3"
HBM_TOTAL_MB = 65536
RATED_MHZ, IDLE_MHZ = 1800, 800
MOST_PROCESSES = 8
_BUS = ("C1", "C2", "81", "82", "01", "02", "41", "42")
_BORDER = "+" + "-" * 96 + "+"
_DEVICES = (27, 15, 52)
_PROCESSES = (27, 15, 26, 25)


class Chip:
    """One card: `processes` are (pid, name, MB); without a fault one that fits the health word is taken."""

    def __init__(
        self,
        npu_id: int,
        health: str,
        power_w: float,
        temp_c: int,
        aicore_pct: int,
        hbm_used_mb: int,
        processes: Sequence[tuple[int, str, int]] = (),
        fault: Fault | None = None,
    ) -> None:
        self.npu_id = npu_id
        self.health = health
        self.power_w = power_w
        self.temp_c = temp_c
        self.aicore_pct = aicore_pct
        self.hbm_used_mb = hbm_used_mb
        self.processes = processes
        self.fault = fault or (FINE if health == "OK" else WARNING)


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


def detail_text(kind: str, chip: Chip, *, one_chip: bool) -> str | None:
    """`npu-smi info -t KIND -i N [-c 0]`; None for a kind that this simulator does not know.

    With `-c` a chip's values stand alone; without, its id opens or closes them (Huawei's npu-smi source).
    """
    values = _DETAILS[kind](chip) if kind in _DETAILS else None
    if values is None:
        return None
    width = 40 if kind == "ecc" else 30
    pairs = "".join(_pair(name, value, width) for name, value in values)
    if kind == "health" and one_chip:
        return pairs
    head = _pair("NPU ID", chip.npu_id, width) + _pair("Chip Count", 1, width) + "\n"
    chip_id = _pair("Chip ID", 0, width)
    return head + (chip_id + pairs if kind == "common" else pairs + chip_id)


def _health(chip: Chip) -> list[tuple[str, object]]:
    return [
        ("Health Status", chip.health),
        ("Error Code", chip.fault.code or "NA"),
        ("Error Information", chip.fault.said or "NA"),
    ]


def _common(chip: Chip) -> list[tuple[str, object]]:
    return [
        ("HBM Usage Rate(%)", 100 * chip.hbm_used_mb // HBM_TOTAL_MB),
        ("Aicore Usage Rate(%)", chip.aicore_pct),
        ("Aicore Freq(MHZ)", RATED_MHZ),
        ("Aicore curFreq(MHZ)", RATED_MHZ if chip.aicore_pct else IDLE_MHZ),
        ("Aicore Count", 20),
        ("Temperature(C)", chip.temp_c),
        ("NPU Real-time Power(W)", f"{chip.power_w:.1f}"),
    ]


def _usages(chip: Chip) -> list[tuple[str, object]]:
    return [
        ("HBM Capacity(MB)", HBM_TOTAL_MB),
        ("HBM Usage Rate(%)", 100 * chip.hbm_used_mb // HBM_TOTAL_MB),
        ("Aicore Usage Rate(%)", chip.aicore_pct),
        ("Aicpu Usage Rate(%)", 0),
        ("Ctrlcpu Usage Rate(%)", 2),
        ("HBM Bandwidth Usage Rate(%)", chip.aicore_pct // 2),
    ]


def _ecc(chip: Chip) -> list[tuple[str, object]]:
    rows = chip.fault.rows
    return [
        ("HBM Single Bit Error Count", 0),
        ("HBM Double Bit Error Count", chip.fault.errors),
        ("HBM Single Bit Aggregate Total Err Cnt", rows),
        ("HBM Double Bit Aggregate Total Err Cnt", rows),
        ("HBM Single Bit Isolated Pages Count", 0),
        ("HBM Double Bit Isolated Pages Count", rows),
    ]


def _memory(chip: Chip) -> list[tuple[str, object]]:
    return [
        ("HBM Capacity(MB)", HBM_TOTAL_MB),
        ("HBM Clock Speed(MHz)", 1600),
        ("HBM Temperature(C)", chip.temp_c - 2),
    ]


_DETAILS: dict[str, Callable[[Chip], list[tuple[str, object]]]] = {
    "health": _health,
    "common": _common,
    "usages": _usages,
    "ecc": _ecc,
    "memory": _memory,
}


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


def _pair(name: str, value: object, width: int = 30) -> str:
    return f"\t{name:<{width}} : {value}\n"


def _row(widths: Sequence[int], cells: Sequence[str]) -> str:
    return "|" + "|".join(f" {cell}".ljust(width) for width, cell in zip(widths, cells)) + "|"  # noqa: B905


def _line(mark: str, widths: Sequence[int]) -> str:
    return "+" + "+".join(mark * width for width in widths) + "+"
