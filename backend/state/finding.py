"""What is wrong with a device, a node or the fleet: one finding each, with the reason and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from backend.state.device_health import Level


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` names the rule; with node and device it is the finding's identity.

    `npu_id` is None for a whole node, `node` empty for the whole fleet. `since`: UTC epoch seconds of the
    event itself where the tool prints it, else of the first reading that showed it. `code`: a fault code.
    """

    rule: str
    level: Level
    node: str
    npu_id: int | None
    chip_id: int | None
    what: str
    why: str = ""
    fix: str = ""
    since: float = 0.0
    code: str = ""

    @property
    def key(self) -> tuple[str, str, int | None, int | None, str]:
        """The same for the same trouble, however its numbers move."""
        return (self.rule, self.node, self.npu_id, self.chip_id, self.code)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"level": level_word(self.level)}


def level_word(level: Level) -> str:
    """As JSON says it: well, unknown, warning, alarm, critical."""
    return level.name.lower()


def worst(findings: Iterable[Finding]) -> Level:
    """The level that wins; WELL when there is no finding."""
    return max((finding.level for finding in findings), default=Level.WELL)


def carry_since(before: Iterable[Finding], now: Iterable[Finding]) -> tuple[Finding, ...]:
    """`now`, the worst first; what was there before keeps the earlier `since`."""
    known = {finding.key: finding.since for finding in before}
    carried = [
        replace(finding, since=min(finding.since, known[finding.key])) if finding.key in known else finding
        for finding in now
    ]
    return tuple(sorted(carried, key=lambda finding: -finding.level))
