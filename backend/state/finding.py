"""What is wrong with a device, a node or the fleet: which findings are the same, and which wins; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from backend.events import Finding, Level

Key = tuple[str, str, int | None, int | None, str]


def key_of(finding: Finding) -> Key:
    """The same for the same trouble, however its numbers move."""
    return (finding.rule, finding.node, finding.npu_id, finding.chip_id, finding.code)


def to_json(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"level": level_word(finding.level)}


def level_word(level: Level) -> str:
    """As JSON says it: well, unknown, warning, alarm, critical."""
    return level.name.lower()


def worst(findings: Iterable[Finding]) -> Level:
    """The level that wins; WELL when there is no finding."""
    return max((finding.level for finding in findings), default=Level.WELL)


def carry_since(before: Iterable[Finding], now: Iterable[Finding]) -> tuple[Finding, ...]:
    """`now`, the worst first; what was there before keeps the earlier `since`."""
    known = {key_of(finding): finding.since for finding in before}
    carried = [
        replace(finding, since=min(finding.since, known[key]))
        if (key := key_of(finding)) in known
        else finding
        for finding in now
    ]
    return tuple(sorted(carried, key=lambda finding: -finding.level))
