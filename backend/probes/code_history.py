"""How often a fault code came while the node was watched; one that comes again is graver.

Rule: MindCluster takes an NPU out of use by how often a code comes within a day (faultCustomization.json).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from backend.catalog.fault_code import Handling
from backend.catalog.fault_code_files import find_fault_code
from backend.probes.circumstances import Place

DAY_S = 86_400.0
# codes with a number of their own; for the others that ask for a reset it is two
_TIMES: Mapping[str, int] = {"80E18005": 3, "81078603": 5}
_MOST_CODES = 64  # of one chip; it prints a handful


def times_allowed(code: str) -> int | None:
    """With which time within a day the NPU is to be taken out of use; None: never by this code."""
    entry = find_fault_code(code)
    usual = 2 if entry is not None and entry.level is Handling.RESTART_NPU else None
    return _TIMES.get(code, usual)


@dataclass(slots=True)
class CodeHistory:
    """When codes came, by card, chip and code, in UTC epoch seconds. One that stays has come once."""

    _there: dict[tuple[int, int], frozenset[str]] = field(default_factory=dict)
    _came: dict[Place, tuple[float, ...]] = field(default_factory=dict)

    def take(self, npu_id: int, chip_id: int, codes: Iterable[str], at: float) -> None:
        """All codes that a chip shows at this moment."""
        shown = frozenset(sorted(codes)[:_MOST_CODES])
        before = self._there.get((npu_id, chip_id), frozenset())
        self._there[(npu_id, chip_id)] = shown
        self._came = {place: times for place, times in self._came.items() if times[-1] > at - DAY_S}
        for code in shown - before:
            place = (npu_id, chip_id, code)
            recent = tuple(time for time in self._came.get(place, ()) if time > at - DAY_S)
            self._came[place] = (*recent, at)

    def counts(self) -> dict[Place, int]:
        """How often each code came within a day of its last coming."""
        return {place: len(times) for place, times in self._came.items()}
