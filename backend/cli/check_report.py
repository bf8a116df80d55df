"""What a check found, for people and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from backend.cli.check_repairs import Done, repairs_of
from backend.cli.own_commands import pasteable
from backend.cli.visible_text import visible
from backend.cli.word_wrap import prose, table_lines
from backend.fleet.node_sets import folded
from backend.inventory import Inventory
from backend.number_words import span
from backend.preflight.item import Finding, Status
from backend.preflight.items import ORDER
from backend.preflight.login_items import SSH
from backend.preflight.setting import Setting
from backend.translation import _, ngettext

_SHOWN = (Status.WRONG, Status.UNKNOWN, Status.WARNING, Status.SKIPPED, Status.OK)
_WIDTH = 100
_FEW = 4
Group = tuple[str, Status, tuple[str, ...], Finding]


def exit_code(findings: Sequence[Finding]) -> int:
    """4: a node was not reached; 1: something is wrong or nobody knows; 0: neither, whatever the warnings."""
    if any(found.item == SSH and found.status is Status.UNKNOWN for found in findings):
        return 4
    return int(any(found.status in (Status.WRONG, Status.UNKNOWN) for found in findings))


def to_json(
    inventory: Inventory,
    setting: Setting,
    findings: Sequence[Finding],
    done: Sequence[Done],
    took_s: float,
) -> dict[str, Any]:
    commands = {(found.item, found.node): repair for found, repair in repairs_of(findings)}

    def one(found: Finding) -> dict[str, Any]:
        repair = commands.get((found.item, found.node))
        return {
            "item": found.item,
            "node": found.node or None,
            "state": found.status.value,
            "found": found.found,
            "needed": found.needed,
            "fix": found.fix,
            "command": list(repair.argv) if repair is not None else None,
            "safe": repair.safe if repair is not None else None,
        }

    return {
        "fleet": inventory.name,
        "nodes": [node.name for node in setting.nodes],
        "exit_code": exit_code(findings),
        "took_s": round(took_s, 2),
        "findings": [one(found) for found in findings],
        "repairs": [
            {
                "node": each.node,
                "item": each.item,
                "command": list(each.argv),
                "ok": each.ok,
                "said": each.said,
            }
            for each in done
        ],
    }


def lines_of(
    setting: Setting,
    findings: Sequence[Finding],
    done: Sequence[Done],
    took_s: float,
    *,
    fixing: bool,
    width: int | None = None,
) -> Iterator[str]:
    """A table of items and states, then what to do, the worst first. `width`: cells of the terminal."""
    groups = grouped(findings)
    yield from table_lines((_("ITEM"), _("STATE"), _("NODES"), _("FOUND")), list(_rows(groups)), width)
    for line in _told(setting, findings, groups, done, took_s, fixing=fixing):
        yield from prose(line, width)


def _told(
    setting: Setting,
    findings: Sequence[Finding],
    groups: Sequence[Group],
    done: Sequence[Done],
    took_s: float,
    *,
    fixing: bool,
) -> Iterator[str]:
    repairs = {(found.item, found.node): repair for found, repair in repairs_of(findings)}
    for status in (Status.WRONG, Status.UNKNOWN, Status.WARNING):
        for item, state, nodes, found in groups:
            if state is status:
                repair = repairs.get((found.item, found.node))
                command = shlex.join(repair.argv) if repair is not None and repair.safe else ""
                yield from _advice(item, status, nodes, found, command)
    yield ""
    yield _summary(setting, findings, took_s)
    if repairs and not fixing and any(repair.safe for repair in repairs.values()):
        yield pasteable(_("`npudeck check --fix` would run the commands that are marked so"))
    if fixing and not done and not any(repair.safe for repair in repairs.values()):
        yield _("there is nothing that --fix would do about it")
    if done:
        made = sum(each.ok for each in done)
        yield ngettext("{made} of {n} command done", "{made} of {n} commands done", len(done)).format(
            made=made, n=len(done)
        )


def _rows(groups: Sequence[Group]) -> Iterator[tuple[str, str, str, str]]:
    """What was left out on the same nodes for the same reason is one row at the end."""
    left_out: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for item, status, nodes, found in groups:
        if status is Status.SKIPPED:
            left_out.setdefault((nodes, found.found), []).append(item)
    for item, status, nodes, found in groups:
        if len(left_out.get((nodes, found.found), ())) < _FEW or status is not Status.SKIPPED:
            yield item, status.value, folded(nodes) or "-", visible(_cut(found.found))
    for (nodes, why), items in left_out.items():
        if len(items) >= _FEW:
            words = _("{n} items").format(n=len(items))
            yield words, Status.SKIPPED.value, folded(nodes) or "-", visible(_cut(why))


def grouped(findings: Sequence[Finding]) -> list[Group]:
    """Item, state, nodes and a finding that stands for all of them; what is well is one row."""
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for found in findings:
        said = ("", "") if found.status is Status.OK else (found.alike or found.found, _command(found))
        groups.setdefault((found.item, found.status.value, *said), []).append(found)
    rows = [
        (group[0].item, group[0].status, tuple(found.node for found in group if found.node), _for_all(group))
        for group in groups.values()
    ]
    return sorted(rows, key=lambda row: (ORDER.index(row[0]), _SHOWN.index(row[1])))


def _for_all(group: Sequence[Finding]) -> Finding:
    """The figures of one node are said of that node alone."""
    first = group[0]
    if len(group) > 1 and first.alike:
        return replace(first, found=first.alike)
    if len({found.found for found in group}) > 1:
        return replace(first, found=f"{first.found} ({first.node})")
    return first


def _command(found: Finding) -> str:
    """What --fix would run, in words; a command that it never runs is no reason for a row of its own."""
    return shlex.join(found.repair.argv) if found.repair is not None and found.repair.safe else ""


def _advice(item: str, status: Status, nodes: tuple[str, ...], found: Finding, command: str) -> Iterator[str]:
    words = {Status.WRONG: _("wrong"), Status.UNKNOWN: _("no answer"), Status.WARNING: _("warning")}[status]
    where = _(" on {nodes}").format(nodes=folded(nodes)) if nodes else ""
    yield ""
    yield visible(f"{words}: {item}{where}: {found.found}")
    if found.needed:
        yield visible(_("  needed: {text}").format(text=found.needed))
    if found.fix:
        yield visible(_("  fix: {text}").format(text=pasteable(found.fix)))
    if command:
        yield visible(_("  --fix runs: {text}").format(text=command))


def _summary(setting: Setting, findings: Sequence[Finding], took_s: float) -> str:
    counts = {status: sum(found.status is status for found in findings) for status in Status}
    parts = [
        ngettext("{n} wrong", "{n} wrong", counts[Status.WRONG]).format(n=counts[Status.WRONG]),
        ngettext("{n} warning", "{n} warnings", counts[Status.WARNING]).format(n=counts[Status.WARNING]),
    ]
    if counts[Status.UNKNOWN]:
        parts.append(_("{n} without an answer").format(n=counts[Status.UNKNOWN]))
    if counts[Status.SKIPPED]:
        parts.append(_("{n} not asked").format(n=counts[Status.SKIPPED]))
    nodes = ngettext("{n} node", "{n} nodes", len(setting.nodes)).format(n=len(setting.nodes))
    return _("{nodes}, {answers} answers in {took}: {parts}").format(
        nodes=nodes, answers=len(findings), took=span(took_s), parts=", ".join(parts)
    )


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
