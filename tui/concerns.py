"""What is wrong in the fleet, worst first: one concern for each thing that somebody must look at; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.events import Finding, Level
from backend.live.node_names import named_together
from backend.state.device_health import Verdict
from backend.state.fleet_state import NodeView
from backend.translation import _
from tui.formats import age

WHOLE_FLEET = ""


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that is wrong. `npus` names the NPUs meant, "" when it is the whole node.

    `node` is WHOLE_FLEET for what differs between nodes. `since`: UTC epoch seconds, 0 when it is not known.
    `more`: how many further findings there are on the same NPU. `drained`: an operator knows of the node.
    `or_before`: it may be older than `since`, which is when somebody first looked. `others`: further nodes
    of which the same is true.
    """

    level: Level
    node: str
    index: int
    npus: str
    what: str
    why: str = ""
    fix: str = ""
    since: float = 0.0
    more: int = 0
    drained: bool = False
    or_before: bool = False
    others: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        if not self.node:
            return _("fleet")
        name = named_together((self.node, *self.others)) if self.others else self.node
        return f"{name} {self.npus}".rstrip()


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """The worst first; without the health word of a chip where its fault codes say what it means."""
    explained = max((one.level for one in findings if one.rule == "fault_code"), default=Level.WELL)
    told = [one for one in findings if one.rule != "health_word" or one.level > explained]
    return sorted(told, key=lambda finding: -finding.level)


def findings_of(view: NodeView, index: int) -> list[Finding]:
    """What is wrong with one chip; with a missing one: what is wrong with the node as a whole."""
    if index >= len(view.devices):
        return node_findings(view)
    device = view.devices[index]
    key = (device.npu_id, device.chip_id)
    return ranked([one for one in view.last_findings if (one.npu_id, one.chip_id) == key])


def node_findings(view: NodeView) -> list[Finding]:
    """What is wrong with the node as a whole."""
    return ranked([finding for finding in view.last_findings if finding.npu_id is None])


def concerns_of(view: NodeView, verdicts: Sequence[Verdict], drained: bool) -> list[Concern]:
    """Everything about one node that is not well; NPUs with the same trouble are one concern."""
    if not view.reachable:
        fix = _("look at its power, its network and its ssh; what runs there may well go on")
        since = view.unreachable_since or 0.0
        what = f"{_('has not answered')} ({view.reason})" if view.reason else _("has not answered yet")
        return [Concern(Level.UNKNOWN, view.name, 0, "", what, "", fix, since, 0, drained)]
    whole = node_findings(view)
    place = len(view.devices) if view.missing else 0
    found = [_told(one, view.name, place, "", len(whole) - 1, drained) for one in whole[:1]]
    groups: dict[tuple[str, str, str, Level], list[int]] = {}
    said: dict[tuple[str, str, str, Level], Concern] = {}
    for index, verdict in enumerate(verdicts):
        if verdict.level is Level.WELL or (index >= len(view.devices) and whole):
            continue
        findings = findings_of(view, index)
        if findings and findings[0].level >= verdict.level:
            concern = _told(findings[0], view.name, index, "", len(findings) - 1, drained)
        else:
            concern = Concern(verdict.level, view.name, index, "", verdict.sentence, drained=drained)
        key = (concern.what, concern.why, concern.fix, concern.level)
        groups.setdefault(key, []).append(index)
        earlier = said.get(key)
        if earlier is None or concern.since < earlier.since:
            said[key] = concern
    for key, where in groups.items():
        one = said[key]
        found.append(
            Concern(
                one.level, one.node, where[0], npus_named(view, where), one.what, one.why, one.fix, one.since,
                one.more, drained,
            )
        )  # fmt: skip
    return found


def fleet_concerns(findings: Sequence[Finding]) -> list[Concern]:
    """What differs between nodes that must be equal; `index`: its place among them, the worst first."""
    return [_told(one, WHOLE_FLEET, index, "", 0, False) for index, one in enumerate(ranked(findings))]


def urgency(concern: Concern) -> tuple[bool, int]:
    """For sorting: what nobody has dealt with yet comes first."""
    return (concern.drained, -concern.level)


def _told(finding: Finding, node: str, index: int, npus: str, more: int, drained: bool) -> Concern:
    return Concern(
        finding.level, node, index, npus, finding.what, finding.why, finding.fix, finding.since, more, drained
    )


def npu_name(view: NodeView, index: int) -> str:
    """`NPU 2`, with the chip where an NPU has several; the place in the row for one that is not listed."""
    if index >= len(view.devices):
        return _("NPU {index}").format(index=index)
    device = view.devices[index]
    several = sum(other.npu_id == device.npu_id for other in view.devices) > 1
    text = _("NPU {id}").format(id=device.npu_id)
    return text + (_(" chip {chip}").format(chip=device.chip_id) if several else "")


def npus_named(view: NodeView, where: Sequence[int]) -> str:
    """One NPU by its name, up to four of them by their numbers, more by their count."""
    if len(where) == 1:
        return npu_name(view, where[0])
    numbers = [view.devices[index].npu_id for index in where if index < len(view.devices)]
    if len(numbers) == len(where) <= 4 and len(set(numbers)) == len(numbers):
        return _("NPU {ids}").format(ids=", ".join(map(str, numbers)))
    return _("{n} NPUs").format(n=len(where))


def silence(view: NodeView, now: float) -> str:
    """Why nothing is known of a node, in one sentence."""
    if view.unreachable_since is None:
        return _("has not answered yet")
    text = _("has not answered for {age}").format(age=age(now - view.unreachable_since))
    return f"{text} ({view.reason})" if view.reason else text


_PART = re.compile(r": (\w{2,4}): ")  # what a fault code is about, as its meaning begins
SHORT: Mapping[str, str] = {
    "ecc_double_bit": "ECC",
    "ecc_pending_rows": "ECC",
    "double_bit_growth": "ECC",
    "hbm_rows_isolated": "ECC",
    "hbm_size": "HBM",
    "hccs": "HCCS",
    "hccs_errors": "HCCS",
    "slow_clock": "MHz",
    "pcie_errors": "PCIe",
    "link_down": "link",
    "link_flap": "flap",
    "net_health": "net",
    "no_address": "IP",
    "optics": "opt",
    "optics_missing": "opt",
    "foreign_process": "proc",
    "fec_differs": "FEC",
    "tls_differs": "TLS",
    "cann_differs": "CANN",
}


def fleet_word(finding: Finding) -> str:
    """What differs between nodes, in a word."""
    return SHORT.get(finding.rule) or finding.rule.removesuffix("_differs")


def node_trouble(view: NodeView) -> Level:
    """How bad it is with the node as a whole, apart from its NPUs; a missing one has a cell of its own."""
    found = [one.level for one in view.findings if one.npu_id is None and one.rule != "missing_npu"]
    return max(found, default=Level.WELL)


def short_word(view: NodeView, index: int, verdict: Verdict) -> str:
    """What is wrong with a chip in at most four characters, for its cell; "" when it is well or unknown."""
    if verdict.level <= Level.UNKNOWN:
        return ""
    device = view.devices[index]
    found = [one for one in findings_of(view, index) if one.level >= verdict.level]
    by_rule = [one.rule for one in found]
    for one in found:
        if one.rule in SHORT:
            return SHORT[one.rule]
        if one.rule == "fault_code" and (part := _PART.search(one.what)):
            return part[1]
    if "heat" in by_rule or (not by_rule and device.health == "OK"):
        return f"{device.temp_c}°"
    words = {Level.WARNING: _("warn"), Level.ALARM: _("alrm"), Level.CRITICAL: _("crit")}
    return words[verdict.level]
