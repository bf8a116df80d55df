"""What must be the same on all nodes: those that deviate from most are found. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.fleet.gather import by_equality
from backend.fleet.node_sets import folded
from backend.preflight.item import Finding, Item, Status, short
from backend.preflight.roce_items import repeated_addresses
from backend.translation import _


def compared(items: Sequence[Item], findings: Sequence[Finding]) -> list[Finding]:
    """The findings, with those changed whose values deviate."""
    changed = list(findings)
    for item in {item.name: item for item in items if item.same is not None}.values():
        changed = _one(item, changed)
    return _addresses(changed)


def _one(item: Item, findings: list[Finding]) -> list[Finding]:
    values = {found.node: found.value for found in findings if found.item == item.name and found.value}
    groups = by_equality(values)
    if len(groups) < 2 or item.same is None:
        return findings
    most, value = groups[0]
    apart = {name for names, _value in groups[1:] for name in names}
    shown = next(found.found for found in findings if found.item == item.name and found.value == value)
    words = _("{most} have {value}").format(most=folded(most), value=short(shown, 80))
    if len(groups[0][0]) == len(groups[1][0]):
        # nobody knows who is right
        apart |= set(most)
    status = item.same
    return [
        _deviating(found, status, words) if found.item == item.name and found.node in apart else found
        for found in findings
    ]


def _deviating(found: Finding, status: Status, words: str) -> Finding:
    if found.status not in (Status.OK, Status.WARNING):
        return found
    fix = found.fix or _("make it the same on all nodes of a run")
    return replace(found, status=status, found=f"{found.found}; {words}", fix=fix, alike="")


def _addresses(findings: list[Finding]) -> list[Finding]:
    values = {found.node: found.value for found in findings if found.item == "roce_ip" and found.value}
    repeated = repeated_addresses(values)
    return [
        replace(
            found,
            status=Status.WRONG,
            found=_("{address} is also that of an NPU of {node}").format(
                address=repeated[found.node][0], node=repeated[found.node][1]
            ),
            fix=_("give every NPU an address of its own: hccn_tool -i N -ip -s address …"),
        )
        if found.item == "roce_ip" and found.node in repeated
        else found
        for found in findings
    ]
