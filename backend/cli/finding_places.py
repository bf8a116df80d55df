"""Where equal findings are, in few words: `n[01-04] NPU 0-7 chip 0, n05 NPU 3 chip 0`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backend.events import Finding
from backend.fleet.node_sets import folded
from backend.translation import _


def places(found: Sequence[Finding]) -> str:
    """All of them, in their order: nodes where the same chips are meant stand together."""
    chips: dict[str, list[tuple[int, int]]] = {}
    for one in found:
        mine = chips.setdefault(one.node, [])
        if one.npu_id is not None:
            mine.append((one.chip_id or 0, one.npu_id))
    nodes: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for node, mine in chips.items():
        nodes.setdefault(tuple(sorted(set(mine))), []).append(node)
    return ", ".join(_place(names, mine) for mine, names in nodes.items())


def _place(nodes: Sequence[str], chips: Sequence[tuple[int, int]]) -> str:
    if not nodes[0]:
        return _("fleet")
    name = nodes[0] if len(nodes) == 1 else folded(nodes)
    npus: dict[int, list[int]] = {}
    for chip, npu in chips:
        npus.setdefault(chip, []).append(npu)
    said = [_("NPU {npus} chip {chip}").format(npus=_ranges(mine), chip=chip) for chip, mine in npus.items()]
    return " ".join([name, *([", ".join(said)] if said else [])])


def _ranges(numbers: Iterable[int]) -> str:
    """`0-3,5` of sorted numbers."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
