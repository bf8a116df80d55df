"""What a judge must know beside the readings, and the pen it writes findings with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.events import Finding, Level

Place = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`at`: UTC epoch seconds of the judgement; `since`: a job's start, from when flaps count (None: never).

    `leased`: card -> processes of the run that holds it (pids on the host or in the container); a card that
    is not in it may be used by anybody.
    `spans`: seconds between the last two answers, by card, chip and kind.
    `came`: how often a fault code came within a day, as far as somebody watched, by card, chip and code.
    """

    node: str
    at: float
    expected_npus: int = 0
    since: float | None = None
    leased: Mapping[int, frozenset[int]] = field(default_factory=dict)
    spans: Mapping[Place, float] = field(default_factory=dict)
    came: Mapping[Place, int] = field(default_factory=dict)


@dataclass(slots=True)
class Findings:
    """Findings about one device, or about the node (`npu_id` None), as they are found."""

    circumstances: Circumstances
    npu_id: int | None = None
    chip_id: int | None = None
    found: list[Finding] = field(default_factory=list)

    def seconds_between(self, kind: str) -> float | None:
        """Between the last two answers of the device to a kind of question; None for fewer than two."""
        return self.circumstances.spans.get((self.npu_id or 0, self.chip_id or 0, kind))

    def add(
        self,
        rule: str,
        level: Level,
        what: str,
        why: str = "",
        fix: str = "",
        *,
        since: float | None = None,
        code: str = "",
    ) -> None:
        at = self.circumstances.at if since is None else since
        node = self.circumstances.node
        self.found.append(Finding(rule, level, node, self.npu_id, self.chip_id, what, why, fix, at, code))
