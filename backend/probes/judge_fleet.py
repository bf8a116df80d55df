"""What must be equal on all nodes of a job: versions, the TLS switch, error correction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backend.events import Finding, Level, NodeDetailed
from backend.translation import _

_NAMES = {
    "driver": _("driver"),
    "firmware": _("firmware"),
    "cann": "CANN",
    "torch_npu": "torch_npu",
    "docker": "docker",
}


def judge_fleet(nodes: Sequence[NodeDetailed], at: float) -> tuple[Finding, ...]:
    """Findings of the whole fleet (their `node` is empty). `at`: UTC epoch seconds.

    What a node does not say is no difference: only what two nodes say differently is one.
    """
    found: list[Finding] = []
    for name, title in _NAMES.items():
        values = {
            node.node: (node.host.versions[name],)
            for node in nodes
            if node.host and name in node.host.versions
        }
        why = _("one job needs the same version on all of its nodes")
        level = Level.WARNING
        found += _differs(f"{name}_differs", level, title, values, why, at)
    tls = {
        node.node: _said(
            _("on") if device.tls_switch else _("off")
            for device in node.devices
            if device.tls_switch is not None
        )
        for node in nodes
    }
    why = _("HCCL cannot set up links between different settings")
    found += _differs("tls_differs", Level.ALARM, _("TLS switch"), tls, why, at)
    fec = {
        node.node: _said(device.fec for device in node.devices if device.fec is not None) for node in nodes
    }
    # what differs inside one node is a finding about its NPUs
    if len(set(filter(None, fec.values()))) > 1:
        why = _("both ends of a link need the same mode")
        found += _differs("fec_differs", Level.WARNING, _("FEC mode"), fec, why, at)
    return tuple(sorted(found, key=lambda finding: -finding.level))


def _said(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _differs(
    rule: str, level: Level, title: str, said: Mapping[str, tuple[str, ...]], why: str, at: float
) -> list[Finding]:
    """At most one finding: which nodes say what, the largest group first."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for node, values in said.items():
        if values:
            groups.setdefault(values, []).append(node)
    if len(groups) < 2 and all(len(values) < 2 for values in groups):
        return []
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    what = "; ".join(f"{_(' and ').join(values)}: {_named(nodes)}" for values, nodes in ordered[:4])
    model = next((nodes[0] for values, nodes in ordered if len(values) == 1), "")
    if model:
        fix = _("bring the smaller groups to what {nodes} has").format(nodes=model)
    else:
        fix = _("set one and the same for all NPUs of all nodes")
    return [Finding(rule, level, "", None, None, f"{title} {what}", why, fix, at)]


def _named(nodes: Sequence[str]) -> str:
    return (
        ", ".join(nodes)
        if len(nodes) <= 4
        else _("{first} and {count} more").format(first=", ".join(nodes[:3]), count=len(nodes) - 3)
    )
