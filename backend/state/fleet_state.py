"""What is known of every node: the one owner of that state, fed by batches of samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from backend.events import (
    DeviceReading,
    Event,
    Finding,
    Level,
    NodeDetailed,
    NodeNotReached,
    NodeObserved,
    ProcessReading,
)
from backend.inventory import Inventory, Node
from backend.state.device_health import Verdict, judge
from backend.state.lease import NodeLeases
from backend.translation import _

STALE_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node as last known. `devices` keep their last good reading while the node is silent.

    `observed_at` is the time of that reading (None: never), `unreachable_since` the first failure after it.
    `answered`: at the last failure the node itself answered, its npu-smi did not.
    """

    name: str
    expected_npus: int
    devices: tuple[DeviceReading, ...] = ()
    processes: tuple[ProcessReading, ...] = ()
    tool_version: str | None = None
    observed_at: float | None = None
    unreachable_since: float | None = None
    reason: str = ""
    took_ms: float | None = None
    details: NodeDetailed | None = None
    answered: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong by the last judgement, the worst first; none while the node is silent."""
        return self.last_findings if self.reachable else ()

    @property
    def last_findings(self) -> tuple[Finding, ...]:
        """What was wrong when it was last judged, also of a node that is silent now."""
        return self.details.findings if self.details is not None else ()

    @property
    def reachable(self) -> bool | None:
        """None: not asked yet."""
        if self.unreachable_since is not None:
            return False
        return True if self.observed_at is not None else None

    @property
    def missing(self) -> int:
        """NPUs that the inventory expects and the node lacks; 0 while the node is silent."""
        return max(0, self.expected_npus - len(self.devices)) if self.reachable else 0

    def verdicts(self) -> tuple[Verdict, ...]:
        """One verdict a chip, then one alarm for each missing one. Silence turns all of them unknown."""
        if not self.reachable:
            count = len(self.devices) or self.expected_npus
            return (Verdict(Level.UNKNOWN, self.reason or _("not asked yet")),) * count
        gone = Verdict(Level.ALARM, _("the inventory expects this NPU, npu-smi does not list it"))
        worst: dict[tuple[int | None, int | None], Finding] = {}
        for finding in self.findings:
            known = worst.get((finding.npu_id, finding.chip_id))
            if known is None or finding.level > known.level:
                worst[(finding.npu_id, finding.chip_id)] = finding
        judged = (_verdict(device, worst.get((device.npu_id, device.chip_id))) for device in self.devices)
        return (*judged, *(gone,) * self.missing)

    def level_over(self, verdicts: Iterable[Verdict]) -> Level:
        """The node's level: the worst of its chips and of what is wrong with the node as a whole."""
        levels = [verdict.level for verdict in verdicts]
        levels += [finding.level for finding in self.findings if finding.npu_id is None]
        return max(levels, default=Level.UNKNOWN)

    @property
    def level(self) -> Level:
        return self.level_over(self.verdicts())


def _verdict(device: DeviceReading, worst: Finding | None) -> Verdict:
    """The row's own verdict, or a worse finding; of equal ones the finding, which says more."""
    verdict = judge(device)
    if worst is None or worst.level < verdict.level:
        return verdict
    return Verdict(worst.level, f"{worst.what}: {worst.why}" if worst.why else worst.what)


@dataclass(frozen=True, slots=True)
class FleetCounts:
    """NPUs by verdict, and `drained` nodes, for the header."""

    nodes: int = 0
    npus: int = 0
    well: int = 0
    warning: int = 0
    alarm: int = 0
    critical: int = 0
    unknown: int = 0
    drained: int = 0


@dataclass(slots=True)
class FleetState:
    """`findings`: what differs between nodes. `drained`: nodes out of service, with the operator's reason.

    `drained_by`: who took them out of service and when, UTC epoch seconds, as far as that is known.
    `holdings`: who holds what, of the nodes that have said so.
    """

    nodes: dict[str, NodeView] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    drained: Mapping[str, str] = field(default_factory=dict)
    drained_by: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    holdings: Mapping[str, NodeLeases] = field(default_factory=dict)

    @classmethod
    def of(cls, inventory: Inventory) -> FleetState:
        nodes = {node.name: _blank(node) for node in inventory.nodes}
        return cls(nodes, drained=dict.fromkeys(inventory.drained, ""))

    def apply(self, batch: Iterable[Event]) -> set[str]:
        """Take in what was seen; answer the names of the nodes whose view changed."""
        changed: set[str] = set()
        for event in batch:
            if not isinstance(event, NodeObserved | NodeNotReached | NodeDetailed):
                continue
            if isinstance(event, NodeDetailed) and not event.node:
                self.findings = event.findings
                continue
            before = self.nodes.get(event.node)
            if before is None:
                continue
            after = _after(before, event)
            if after != before:
                self.nodes[event.node] = after
                changed.add(event.node)
        return changed

    def counts(self) -> FleetCounts:
        levels = [verdict.level for view in self.nodes.values() for verdict in view.verdicts()]
        return self.counts_of(levels)

    def counts_of(self, levels: Sequence[Level]) -> FleetCounts:
        """The same, over levels that were worked out before."""
        return FleetCounts(
            nodes=len(self.nodes),
            npus=len(levels),
            well=levels.count(Level.WELL),
            warning=levels.count(Level.WARNING),
            alarm=levels.count(Level.ALARM),
            critical=levels.count(Level.CRITICAL),
            unknown=levels.count(Level.UNKNOWN),
            drained=sum(name in self.nodes for name in self.drained),
        )

    def worst_first(self) -> list[NodeView]:
        """Critical, alarm, warning, unknown, well; inside each, the order of the inventory."""
        return sorted(self.nodes.values(), key=lambda view: -view.level)


def _blank(node: Node) -> NodeView:
    return NodeView(node.name, node.npus)


def _after(before: NodeView, event: NodeObserved | NodeNotReached | NodeDetailed) -> NodeView:
    if isinstance(event, NodeObserved):
        return _observed(before, event)
    if isinstance(event, NodeNotReached):
        return _not_reached(before, event)
    return replace(before, details=event)


def _observed(before: NodeView, event: NodeObserved) -> NodeView:
    return NodeView(
        before.name,
        before.expected_npus,
        event.devices,
        event.processes,
        event.tool_version,
        event.at,
        None,
        "",
        event.took_ms,
        before.details,
    )


def _not_reached(before: NodeView, event: NodeNotReached) -> NodeView:
    since = before.unreachable_since if before.unreachable_since is not None else event.at
    return replace(before, unreachable_since=since, reason=event.reason, answered=event.answered)
