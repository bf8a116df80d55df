"""The last ten minutes of every NPU, gathered from the stream for the small curves; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from backend.events import DeviceReading, NodeObserved

STEP_S = 5.0
KEPT = 120


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading at `slot * STEP_S` seconds."""

    slot: int
    aicore_pct: int | None
    power_w: float | None
    temp_c: int | None


class DeviceHistory:
    """Latest wins inside a slot of `STEP_S` seconds; `KEPT` slots are kept for each NPU."""

    def __init__(self) -> None:
        self._moments: dict[tuple[str, int], deque[Moment]] = {}

    def take(self, event: NodeObserved) -> None:
        slot = int(event.at // STEP_S)
        for index, device in enumerate(event.devices):
            self._add((event.node, index), slot, device)

    def curve(self, node: str, index: int, measure: str, now: float, width: int) -> list[float | None]:
        """`width` values up to now, oldest first; None where nothing was seen."""
        last = int(now // STEP_S)
        seen = {moment.slot: getattr(moment, measure) for moment in self._moments.get((node, index), ())}
        return [seen.get(slot) for slot in range(last - width + 1, last + 1)]

    def _add(self, key: tuple[str, int], slot: int, device: DeviceReading) -> None:
        moments = self._moments.setdefault(key, deque(maxlen=KEPT))
        if moments and moments[-1].slot == slot:
            moments.pop()
        moments.append(Moment(slot, device.aicore_pct, device.power_w, device.temp_c))
