"""The load of a demo node's NPUs, read from the training processes that stand for them.

A rank of a run carries LOCAL_RANK: it stands for the NPU of that number. Its processor time becomes AICore %,
its memory HBM; temperature and power follow the AICore % with inertia, which is kept in a small state file.
Standard library alone.
"""

# ruff: noqa: PTH105, PTH123
# pathlib would add a fifth to the time that an answer takes

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence

from backend.demo.marked_processes import marked
from backend.demo.npu_faults import FINE, Fault
from backend.demo.npu_smi_text import HBM_TOTAL_MB, Chip

IDLE_HBM_MB = 2969
IDLE_POWER_W, FULL_POWER_W, POWER_INERTIA_S = 93.0, 340.0, 3.0
IDLE_TEMP_C, FULL_TEMP_C, TEMP_INERTIA_S = 38.0, 71.0, 25.0
# two readings closer than this give no honest share of processor time: the earlier answer stands
SHORTEST_INTERVAL_S = 0.25


class Rank:
    """A living process of a rank: processor seconds used, seconds since its birth, resident MB."""

    def __init__(self, pid: int, used_s: float, age_s: float, memory_mb: int) -> None:
        self.pid = pid
        self.used_s = used_s
        self.age_s = age_s
        self.memory_mb = memory_mb


class NpuState:
    """What is remembered of one NPU: `processes` are (pid, name, MB), `used_s` processor seconds by pid."""

    def __init__(
        self,
        aicore_pct: float = 0.0,
        temp_c: float = IDLE_TEMP_C,
        power_w: float = IDLE_POWER_W,
        processes: Sequence[tuple[int, str, int]] = (),
        used_s: dict[str, float] | None = None,
    ) -> None:
        self.aicore_pct = aicore_pct
        self.temp_c = temp_c
        self.power_w = power_w
        self.processes = [(pid, name, memory_mb) for pid, name, memory_mb in processes]
        self.used_s = used_s or {}


def read_chips(fleet: str, node: str, count: int, faults: Mapping[int, Fault], state_path: str) -> list[Chip]:
    """The node's cards now. The state file is replaced in one step, so that two readers do no harm."""
    at, npus = _load(state_path, count)
    now = time.time()
    elapsed_s = now - at
    if not 0 <= elapsed_s < SHORTEST_INTERVAL_S:
        ranks = _ranks(fleet, node)
        npus = [advanced(npu, ranks.get(number, []), elapsed_s) for number, npu in enumerate(npus)]
        _save(state_path, now, npus)
    return [_chip(npu, number, faults.get(number, FINE)) for number, npu in enumerate(npus)]


def advanced(npu: NpuState, ranks: Sequence[Rank], elapsed_s: float) -> NpuState:
    """The NPU's state `elapsed_s` later, under the load of these ranks."""
    elapsed_s = max(elapsed_s, 0.0)
    aicore_pct = _share(ranks, npu.used_s, elapsed_s)
    temp_c = IDLE_TEMP_C + (FULL_TEMP_C - IDLE_TEMP_C) * aicore_pct / 100
    power_w = IDLE_POWER_W + (FULL_POWER_W - IDLE_POWER_W) * aicore_pct / 100
    return NpuState(
        aicore_pct,
        _settled(npu.temp_c, temp_c, elapsed_s, TEMP_INERTIA_S),
        _settled(npu.power_w, power_w, elapsed_s, POWER_INERTIA_S),
        [(rank.pid, "python3", rank.memory_mb) for rank in ranks],
        {str(rank.pid): rank.used_s for rank in ranks},
    )


def _settled(value: float, target: float, elapsed_s: float, inertia_s: float) -> float:
    """`value` after `elapsed_s` on its way to `target`."""
    return target + (value - target) * math.exp(-elapsed_s / inertia_s)


def _share(ranks: Sequence[Rank], earlier_s: dict[str, float], elapsed_s: float) -> float:
    """Percent of one processor used since the last reading; a new rank counts from its birth."""
    share = 0.0
    for rank in ranks:
        before_s = earlier_s.get(str(rank.pid))
        window_s = rank.age_s if before_s is None else elapsed_s
        share += (rank.used_s - (before_s or 0.0)) / max(window_s, SHORTEST_INTERVAL_S)
    return max(0.0, min(100.0, 100.0 * share))


def _ranks(fleet: str, node: str) -> dict[int, list[Rank]]:
    """By the number of their NPU."""
    found: dict[int, list[Rank]] = {}
    for pid, environment in marked(fleet, node):
        number = environment.get("LOCAL_RANK", "")
        rank = _rank(pid) if number.isdigit() else None
        if rank is not None:
            found.setdefault(int(number), []).append(rank)
    return found


def _rank(pid: int) -> Rank | None:
    """From /proc/PID/stat (proc(5)): utime and stime, starttime, rss. `None` when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        with open("/proc/uptime", encoding="ascii") as file:
            uptime_s = float(file.read().split()[0])
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    used_s = (int(fields[11]) + int(fields[12])) / ticks
    memory_mb = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 2**20
    return Rank(pid, used_s, uptime_s - int(fields[19]) / ticks, memory_mb)


def _chip(npu: NpuState, number: int, fault: Fault) -> Chip:
    """Cards differ a little, as real ones do."""
    memory_mb = sum(memory_mb for _, _, memory_mb in npu.processes)
    return Chip(
        number,
        fault.health,
        npu.power_w + 1.7 * number,
        round(npu.temp_c + number + fault.heat_c),
        round(npu.aicore_pct),
        min(HBM_TOTAL_MB, IDLE_HBM_MB + 2 * number + memory_mb),
        npu.processes,
        fault,
    )


def _load(path: str, count: int) -> tuple[float, list[NpuState]]:
    """When the state was saved, and the state; long ago and idle when there is none that fits."""
    try:
        with open(path, encoding="utf-8") as file:
            saved = json.load(file)
        npus = [NpuState(**npu) for npu in saved["npus"]]
        if len(npus) == count:
            return float(saved["at"]), npus
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0.0, [NpuState() for _ in range(count)]


def _save(path: str, at: float, npus: Sequence[NpuState]) -> None:
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump({"at": at, "npus": [vars(npu) for npu in npus]}, file)
    os.replace(temporary, path)
