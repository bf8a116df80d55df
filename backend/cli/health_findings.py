"""What is wrong, since when and what to do, as `npudeck health` says it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Sequence
from typing import Any

from backend.cli.finding_places import places
from backend.cli.own_commands import pasteable
from backend.cli.visible_text import visible
from backend.events import DeviceReading, Finding
from backend.fleet.node_sets import folded
from backend.probes.judge_fleet import judge_fleet
from backend.state.finding import carry_since, level_word
from backend.state.finding import to_json as finding_json
from backend.state.fleet_state import FleetState, NodeView
from backend.state.name_in_text import renamed
from backend.translation import _

_DAY_S = 86400.0
_NODE = "NODE"  # in place of a name in what is done about it


def fleet_findings(fleet: FleetState, at: float, before: Iterable[Finding] = ()) -> tuple[Finding, ...]:
    """What differs between the nodes; what was found `before` keeps its time."""
    details = [view.details for view in fleet.nodes.values() if view.details and view.reachable]
    return carry_since(before, judge_fleet(details, at))


def of_device(view: NodeView, device: DeviceReading) -> tuple[Finding, ...]:
    """The findings of one chip, the worst first."""
    key = (device.npu_id, device.chip_id)
    return tuple(finding for finding in view.findings if (finding.npu_id, finding.chip_id) == key)


def of_node(view: NodeView) -> tuple[Finding, ...]:
    """The findings of the node as a whole, such as cards that are not there."""
    return tuple(finding for finding in view.findings if finding.npu_id is None)


def all_of(fleet: FleetState, more: Iterable[Finding]) -> list[Finding]:
    """Every finding, the worst first; `more`: what differs between the nodes."""
    found = [finding for view in fleet.nodes.values() for finding in view.findings]
    found += more
    return sorted(found, key=lambda finding: -finding.level)


def blocks(
    fleet: FleetState, more: Iterable[Finding], at: float, first_look: tuple[float, float] = (0.0, 0.0)
) -> list[str]:
    """One block for what is equal wherever it is, the worst first: where, since when, what, why, what to do.

    `first_look`: when the first round began and ended; what it found may have been there before.
    """
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for one in all_of(fleet, more):
        fix = renamed(one.fix, one.node, _NODE)
        groups.setdefault((level_word(one.level), one.rule, one.what, one.why, fix), []).append(one)
    return [_block(found, at, first_look) for found in groups.values()]


def _block(found: Sequence[Finding], at: float, first_look: tuple[float, float]) -> str:
    finding = min(found, key=lambda one: one.since)
    began, ended = first_look
    since = _("since {time} or before") if began <= finding.since <= ended else _("since {time}")
    lines = [
        f"{level_word(finding.level)}: {places(found)}, {since.format(time=_moment(finding.since, at))}",
        f"  {finding.what}",
    ]
    if finding.why:
        lines.append("  " + _("why: {why}").format(why=finding.why))
    if finding.fix:
        nodes = list(dict.fromkeys(one.node for one in found))
        # a command takes all of them at once
        fix = renamed(finding.fix, finding.node, shlex.quote(folded(nodes))) if nodes[1:] else finding.fix
        lines.append("  " + _("first: {fix}").format(fix=pasteable(fix)))
    return "\n".join(map(visible, lines))


def _moment(since: float, at: float) -> str:
    """The bastion's local time; with its date when that is not clear."""
    try:
        local = time.localtime(since)
    except (OverflowError, ValueError, OSError):
        return "?"
    return time.strftime("%H:%M:%S" if 0 <= at - since < _DAY_S / 2 else "%Y-%m-%d %H:%M:%S", local)


def to_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Without the place, which the surrounding object says."""
    found = [finding_json(finding) for finding in findings]
    for entry in found:
        for name in ("node", "npu_id", "chip_id"):
            del entry[name]
    return found
