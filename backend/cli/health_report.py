"""What `npudeck health` prints: table lines or JSON, from the state of the fleet."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from typing import Any

from backend.cli import health_findings
from backend.cli.own_commands import pasteable
from backend.cli.visible_text import visible
from backend.events import DeviceReading, Finding, Level
from backend.fleet.host_key_words import says_unknown_key
from backend.fleet.node_sets import folded
from backend.inventory import Inventory
from backend.state.device_health import Verdict
from backend.state.finding import level_word
from backend.state.finding import to_json as finding_json
from backend.state.fleet_state import FleetState, NodeView
from backend.translation import _, ngettext


def fleet_of(inventory: Inventory, names: tuple[str, ...]) -> FleetState:
    """Nothing known yet, of these nodes, in this order."""
    chosen = tuple(node for name in names if (node := inventory.node(name)))
    return FleetState.of(replace(inventory, nodes=chosen))


def exit_code(fleet: FleetState, differences: tuple[Finding, ...] = ()) -> int:
    """4: a node was not reached; 1: something is wrong, unknown, differs or was not answered; 0: all well."""
    views = fleet.nodes.values()
    if _not_reached(fleet):
        return 4
    wrong = any(view.level is not Level.WELL or view.findings for view in views)
    return int(bool(wrong or differences or not_answered(fleet)))


def to_json(name: str, at: float, fleet: FleetState, differences: tuple[Finding, ...] = ()) -> dict[str, Any]:
    """`at`: UTC epoch seconds. Nodes in the order asked for; the fleet's `findings` say what differs.

    `all_findings` has these and those of every node and NPU, with their places, the worst first.
    """
    counts = asdict(fleet.counts()) | {"unreachable": len(_not_reached(fleet))}
    nodes = [_node_json(view) for view in fleet.nodes.values()]
    return {
        "fleet": name,
        "at": round(at, 3),
        "counts": counts,
        "findings": health_findings.to_json(differences),
        "all_findings": [finding_json(one) for one in health_findings.all_of(fleet, differences)],
        "not_answered": not_answered(fleet),
        "nodes": nodes,
    }


COLUMNS = (
    "NODE",
    "NPU",
    "CHIP",
    "NAME",
    "HEALTH",
    "POWER",
    "TEMP",
    "AICORE",
    "HBM MB",
    "PROCESSES",
    "REMARK",
)


def to_rows(fleet: FleetState) -> list[tuple[str, ...]]:
    """One row an NPU, the worst first, otherwise in the order asked for."""
    rows = [row for view in fleet.nodes.values() for row in _rows(view)]
    return [cells for _urgency, cells in sorted(rows, key=lambda row: row[0])]


def _rows(view: NodeView) -> list[tuple[int, tuple[str, ...]]]:
    """Rows with their urgency. A node without a table is one row: nothing is known of it."""
    if not view.reachable:
        # what a node said in place of an answer stands in it
        reason = visible(" ".join(view.reason.splitlines())) or _("not asked yet")
        word = _("no table") if view.answered else _("unreachable")
        return [(-Level.UNKNOWN, (view.name, *"-" * 3, word, *"-" * 5, reason))]
    verdicts = view.verdicts()
    rows = [
        (-verdict.level, _device_row(view, device, verdict))
        for device, verdict in zip(view.devices, verdicts, strict=False)
    ]
    gone = verdicts[len(view.devices) :]
    rows += [
        (-verdict.level, (view.name, *"-" * 3, _("missing"), *"-" * 5, verdict.sentence)) for verdict in gone
    ]
    return rows


def _device_row(view: NodeView, device: DeviceReading, verdict: Verdict) -> tuple[str, ...]:
    used, total = device.hbm_used_mb, device.hbm_total_mb
    if total is None:  # chips without HBM have ordinary memory
        used, total = device.memory_used_mb, device.memory_total_mb
    return (
        view.name,
        str(device.npu_id),
        str(device.chip_id),
        visible(device.name) or "-",
        visible(device.health),
        "-" if device.power_w is None else f"{device.power_w:.1f} W",
        "-" if device.temp_c is None else f"{device.temp_c} °C",
        "-" if device.aicore_pct is None else f"{device.aicore_pct} %",
        "-" if total is None else f"{used}/{total}",
        visible(_processes(view, device)),
        visible(_remark(view, device, verdict)),
    )


def _remark(view: NodeView, device: DeviceReading, verdict: Verdict) -> str:
    """What is wrong in the first place, and how much more; the reasons stand below the table."""
    findings = health_findings.of_device(view, device)
    if not findings or findings[0].level < verdict.level:
        return verdict.sentence
    return findings[0].what if len(findings) == 1 else f"{findings[0].what} (+{len(findings) - 1})"


def _processes(view: NodeView, device: DeviceReading) -> str:
    mine = [
        process
        for process in view.processes
        if process.npu_id == device.npu_id and process.chip_id in (None, device.chip_id)
    ]
    if not mine:
        return "-"
    first = f"{mine[0].name or '?'}:{mine[0].pid}"
    return first if len(mine) == 1 else f"{first} +{len(mine) - 1}"


def summary(fleet: FleetState) -> str:
    counts = fleet.counts()
    nodes = ngettext("{n} node", "{n} nodes", counts.nodes).format(n=counts.nodes)
    npus = ngettext("{n} NPU", "{n} NPUs", counts.npus).format(n=counts.npus)
    said = _("{well} well, {warning} warning, {alarm} alarm, {critical} critical, {unknown} unknown")
    text = f"{nodes}, {npus}: {said}"
    line = text.format(**asdict(counts))
    if failing := [view.name for view in fleet.nodes.values() if view.answered]:
        line += _("; npu-smi failed: {names}").format(names=folded(failing))
    if silent := _not_reached(fleet):
        line += _("; not reached: {names}").format(names=folded(silent))
    return line


def _not_reached(fleet: FleetState) -> list[str]:
    """The nodes that did not answer at all."""
    return [view.name for view in fleet.nodes.values() if not view.reachable and not view.answered]


def not_answered(fleet: FleetState) -> list[dict[str, Any]]:
    """What was asked and had no answer: `kinds` of question, `nodes`, and `why`; the same in one entry."""
    nodes: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for view in fleet.nodes.values():
        missed = view.details.not_answered if view.details and view.reachable else {}
        for why in dict.fromkeys(missed.values()):
            kinds = tuple(kind for kind, reason in missed.items() if reason == why)
            nodes.setdefault((kinds, why), []).append(view.name)
    return [{"kinds": list(kinds), "nodes": names, "why": why} for (kinds, why), names in nodes.items()]


def not_answered_lines(fleet: FleetState) -> list[str]:
    """The same in words."""
    text = _("not answered: {kinds} on {nodes} ({why})")
    return [
        visible(text.format(kinds=", ".join(one["kinds"]), nodes=folded(one["nodes"]), why=one["why"]))
        for one in not_answered(fleet)
    ]


def advice(fleet: FleetState) -> str:
    """What to do about nodes that print no table, or ""."""
    silent = [view for view in fleet.nodes.values() if not view.reachable]
    strangers = [view.name for view in silent if says_unknown_key(view.reason)]
    others = [view.name for view in silent if view.name not in strangers]
    lines = []
    if strangers:
        words = _("host keys that are not known yet: npudeck fleet trust {nodes}")
        lines.append(words.format(nodes=shlex.quote(folded(strangers))))
    if others:
        words = _("what keeps them: npudeck check --nodes {nodes}")
        lines.append(words.format(nodes=shlex.quote(folded(others))))
    return pasteable("\n".join(lines))


def _node_json(view: NodeView) -> dict[str, Any]:
    devices = zip(view.devices, view.verdicts(), strict=False) if view.reachable else ()
    return {
        "name": view.name,
        "state": "ok" if view.reachable else "no table" if view.answered else "unreachable",
        "reason": view.reason,
        "took_ms": None if view.took_ms is None else round(view.took_ms, 1),
        "tool_version": view.tool_version,
        "expected_npus": view.expected_npus,
        "missing": view.missing,
        "findings": health_findings.to_json(health_findings.of_node(view)),
        "host": asdict(view.details.host) if view.details and view.details.host and view.reachable else None,
        "devices": [_device_json(view, device, verdict) for device, verdict in devices],
        "processes": [asdict(process) for process in view.processes] if view.reachable else [],
    }


def _device_json(view: NodeView, device: DeviceReading, verdict: Verdict) -> dict[str, Any]:
    findings = health_findings.of_device(view, device)
    known = view.details.devices if view.details else ()
    key = (device.npu_id, device.chip_id)
    details = next((asdict(one) for one in known if (one.npu_id, one.chip_id) == key), None)
    return asdict(device) | {
        "level": level_word(verdict.level),
        "sentence": verdict.sentence,
        "findings": health_findings.to_json(findings),
        "details": details,
    }
