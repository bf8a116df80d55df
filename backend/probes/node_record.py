"""What one node has said so far, frame by frame, and the judgement over it. Pure: no clock, no wire."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from backend.events import DeviceDetails, Finding, HostDetails, NodeDetailed, NodeObserved
from backend.probes.answer import Answer
from backend.probes.circumstances import Circumstances, Place
from backend.probes.code_history import CodeHistory
from backend.probes.deltas import Tally
from backend.probes.detail_reader import Fields, counters_of, fields_of
from backend.probes.host import cpu_times, read_host, read_versions
from backend.probes.judge_node import Key, judge_node
from backend.probes.probe_plan import FrameHeader
from backend.probes.recognise import read_answers
from backend.state.finding import carry_since
from backend.translation import _

MOST_CHIPS = 1024
_TIMED_OUT = 124
_NOT_FOUND = 127
_NO_ANSWER = _("no answer within 5 s")
# answers that come under another name than they were asked for
_ALSO = {"link": "ub_connect"}
# a refusal that says something: no address is set, the module cannot be reached
_TELLING = frozenset({"ip", "optical"})


@dataclass(slots=True)
class NodeRecord:
    """The memory behind `NodeDetailed`: one for each node that is watched."""

    devices: dict[Key, DeviceDetails] = field(default_factory=dict)
    host: HostDetails | None = None
    findings: tuple[Finding, ...] = ()
    _ticks: tuple[int, int] | None = None
    _tallies: dict[Place, Tally] = field(default_factory=dict)
    _spans: dict[Place, float] = field(default_factory=dict)
    _codes: CodeHistory = field(default_factory=CodeHistory)

    def take(self, header: FrameHeader, said: str, at: float) -> None:
        """One answer, other than the table of all cards. `at`: UTC epoch seconds. Never raises."""
        if header.kind == "host":
            self._take_host(said, at)
        elif header.kind == "versions":
            host = self.host or HostDetails()
            answered = {**host.answered, "versions": at}
            self.host = replace(host, versions=read_versions(said), answered=answered)
        elif header.npu_id is not None and header.exit_code != _NOT_FOUND:
            self._take_device(header, said, at)

    def judged(self, seen: NodeObserved, circumstances: Circumstances) -> NodeDetailed:
        """All that is known and all that is wrong now; troubles that stay keep the time they began."""
        details = self._settled()
        around = replace(circumstances, spans=self._spans, came=self._codes.counts())
        found = judge_node(seen, details, self.host, around)
        self.findings = carry_since(self.findings, found)
        return NodeDetailed(seen.node, circumstances.at, details, self.host, self.findings)

    def _take_host(self, said: str, at: float) -> None:
        fields = read_host(said)
        ticks = cpu_times(said)
        if ticks and self._ticks and ticks[1] > self._ticks[1]:
            busy, total = ticks[0] - self._ticks[0], ticks[1] - self._ticks[1]
            fields["cpu_pct"] = round(100 * min(1.0, max(0.0, busy / total)), 1)
        self._ticks = ticks or self._ticks
        host = self.host or HostDetails()
        self.host = replace(host, answered={**host.answered, "host": at}, **fields)

    def _take_device(self, header: FrameHeader, said: str, at: float) -> None:
        key = (header.npu_id or 0, header.chip_id or 0)
        if key not in self.devices and len(self.devices) >= MOST_CHIPS:
            return
        device = self.devices.get(key) or DeviceDetails(*key, phy_id=header.phy_id)
        answer = answer_to(header, said)
        offset = self.host.utc_offset_s if self.host else 0
        fields = fields_of(answer, at, offset) if answer else None
        if answer is None or fields is None:
            failed = {**device.failed, header.kind: reason_of_silence(header, said)}
            self.devices[key] = replace(device, failed=failed)
            return
        if header.chip_id is None and fields.get("link") == "DOWN" and not fields.get("ports"):
            # a 950 without a valid port, as a single card has none, says DOWN as well (hccn_tool reference)
            fields["link"] = None
        # a 950's events word the codes of its health, which come first and are all of them
        if fields.get("codes") is not None and header.kind == "health":
            self._codes.take(*key, fields["codes"], at)
        failed = {kind: why for kind, why in device.failed.items() if kind != header.kind}
        if answer.kind != "unsupported":
            fields |= self._counted(device, answer, at) | {"answered": {**device.answered, header.kind: at}}
        self.devices[key] = replace(device, failed=failed, **fields)

    def _counted(self, device: DeviceDetails, answer: Answer, at: float) -> Fields:
        """How the counters of this kind grew since the last time; the other kinds' stay as they are."""
        counters = counters_of(answer)
        if not counters:
            return {}
        place = (device.npu_id, device.chip_id, answer.kind)
        grown, span_s = self._tallies.setdefault(place, Tally()).take(counters, at)
        if span_s is not None:
            self._spans[place] = span_s
        prefix = f"{answer.kind}: "
        others = {name: count for name, count in device.grown.items() if not name.startswith(prefix)}
        return {"counters": {**device.counters, **counters}, "grown": others | grown}

    def _settled(self) -> tuple[DeviceDetails, ...]:
        """The details; a question that no chip of the node ever answered is one the node does not offer.

        A user without rights, another generation, no RoCE port: nothing is known then, and nothing is wrong
        by it. Silence is different: it is a failure also when all are silent.
        """
        offered = {kind for device in self.devices.values() for kind in device.answered}
        settled = []
        for device in self.devices.values():
            failed = {
                kind: why for kind, why in device.failed.items() if kind in offered or why == _NO_ANSWER
            }
            settled.append(replace(device, failed=failed))
        return tuple(settled)


def answer_to(header: FrameHeader, said: str) -> Answer | None:
    """The answer of the chip that was asked; None when there is none.

    A refusal because the device does not have it is an answer without values (kind `unsupported`).
    """
    if header.exit_code == _TIMED_OUT:
        return None
    for answer in read_answers(said):
        fits = answer.kind in (header.kind, _ALSO.get(header.kind))
        if answer.kind == "unsupported":
            return answer
        # the controller of a card has no chip id, but a name
        controller = str(answer.values.get("Chip Name", "")).lower() == "mcu"
        mine = answer.chip_id in (None, header.chip_id) and not controller
        if fits and mine and (answer.values or header.kind in _TELLING):
            return answer
    return None


def reason_of_silence(header: FrameHeader, said: str) -> str:
    """Why there is no answer: what was said in its place."""
    if header.exit_code == _TIMED_OUT:
        return _NO_ANSWER
    odd = sum(char == "\ufffd" or not (char.isprintable() or char.isspace()) for char in said)
    if odd > len(said) // 10:
        return _("what came is no text")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else _("nothing was said")
