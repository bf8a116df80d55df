"""What the fleet screen shows, worked out from state: rows of cells, counts, and what is wrong; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from backend.events import DeviceReading, Finding, Level
from backend.state.device_health import Verdict
from backend.state.fleet_state import FleetCounts, FleetState, NodeView
from backend.state.lease import NodeLeases
from backend.state.run_state import RunBook, RunView
from backend.translation import _
from tui.concerns import (
    WHOLE_FLEET,
    Concern,
    concerns_of,
    fleet_concerns,
    fleet_word,
    node_trouble,
    ranked,
    short_word,
    urgency,
)
from tui.formats import age, thousands
from tui.inks import GLYPHS, HEAT_STEPS
from tui.lease_words import short_holder

QUIET_AFTER_S = 5.0
FIRST_LOOK_S = 60.0  # in this time the first answers to all questions come


class Measure(StrEnum):
    HEALTH = "health"
    HBM = "HBM %"
    AICORE = "AICore %"
    TEMPERATURE = "temperature °C"
    POWER = "power W"


@dataclass(frozen=True, slots=True)
class Cell:
    """One NPU in the grid. `heat` is 0 for none, else 1 to `HEAT_STEPS`."""

    level: Level
    glyph: str
    text: str
    heat: int = 0


@dataclass(frozen=True, slots=True)
class GridRow:
    """One node, or (`folded` > 0) one line that stands for that many well ones.

    With `node` WHOLE_FLEET the cells are what differs between nodes. `trouble`: what is wrong with the node
    as a whole, WELL for nothing. `run`: of this console; `holder`: who else has the node.
    """

    node: str
    level: Level
    cells: tuple[Cell, ...]
    run: str
    seen: str
    folded: int = 0
    drained: bool = False
    trouble: Level = Level.WELL
    holder: str = ""


class FleetBoard:
    """Verdicts are kept as long as a node's view is the same object: judging 800 chips a second is enough.

    Runs of another inventory than `path` are on other machines, whatever their names.
    """

    def __init__(self, fleet: FleetState, runs: RunBook, path: str) -> None:
        self._fleet = fleet
        self._runs = runs
        self._path = path
        self.looks_since: Callable[[], float | None] = lambda: None  # UTC epoch seconds of the first look
        self._told: dict[str, tuple[NodeView, bool, list[Concern]]] = {}
        self._judged: dict[str, tuple[NodeView, tuple[Verdict, ...], Level]] = {}

    def verdicts(self, view: NodeView) -> tuple[Verdict, ...]:
        return self._judge(view)[1]

    def level(self, view: NodeView) -> Level:
        return self._judge(view)[2]

    def _judge(self, view: NodeView) -> tuple[NodeView, tuple[Verdict, ...], Level]:
        known = self._judged.get(view.name)
        if known is None or known[0] is not view:
            verdicts = view.verdicts()
            known = self._judged[view.name] = (view, verdicts, view.level_over(verdicts))
        return known

    def worst_first(self) -> list[NodeView]:
        """The worst first; ill nodes that an operator has drained after the others that are ill."""
        return sorted(self._fleet.nodes.values(), key=self._urgency)

    def _urgency(self, view: NodeView) -> tuple[bool, bool, int]:
        level = self.level(view)
        return (level is Level.WELL, level is not Level.WELL and self.drained(view), -level)

    def ill_lines(self) -> int:
        """Lines of the grid that are never folded."""
        ill = sum(self.level(view) is not Level.WELL for view in self._fleet.nodes.values())
        return ill + bool(self._fleet.findings)

    def drained(self, view: NodeView) -> bool:
        return view.name in self._fleet.drained

    def began_before(self, since: float) -> bool:
        """A trouble of the first minute may be older: nobody has looked before."""
        began = self.looks_since()
        return began is not None and began - FIRST_LOOK_S <= since <= began + FIRST_LOOK_S

    def why_drained(self, view: NodeView) -> str:
        """The operator's reason; "" when none was given."""
        return self._fleet.drained.get(view.name, "")

    def drained_by(self, view: NodeView) -> tuple[str, float]:
        """Who drained the node and when, UTC epoch seconds; ("", 0.0) when it is not known."""
        return self._fleet.drained_by.get(view.name, ("", 0.0))

    def holdings(self, view: NodeView) -> NodeLeases | None:
        """Who holds the node, as it said last; None: it has not said."""
        return self._fleet.holdings.get(view.name)

    def counts(self) -> FleetCounts:
        levels = [verdict.level for view in self._fleet.nodes.values() for verdict in self.verdicts(view)]
        return self._fleet.counts_of(levels)

    def runs_on(self, node: str) -> list[RunView]:
        """Active runs that use the node, newest first."""
        return [run for run in self._active() if node in run.created.nodes]

    def _active(self) -> list[RunView]:
        runs = self._runs.newest_first()
        return [run for run in runs if run.active and run.created.inventory_path == self._path]

    def rows(self, measure: Measure, now: float, room: int, unfolded: bool) -> list[GridRow]:
        """Worst first. With more nodes than `room` lines the last well ones become one line."""
        views, fleet = self.worst_first(), self._fleet_row()
        room -= fleet is not None
        on_node = self._active_by_node()
        scale = self._power_scale() if measure is Measure.POWER else 0.0
        folded: list[NodeView] = []
        if not unfolded and len(views) > room:
            ill = sum(self.level(view) is not Level.WELL for view in views)
            keep = max(ill, room - 1)
            views, folded = views[:keep], views[keep:]
        rows = [self._row(view, measure, now, on_node.get(view.name, ""), scale) for view in views]
        if fleet is not None:
            rows.insert(sum(row.level > fleet.level for row in rows), fleet)
        if folded:
            name = folded[0].name if len(folded) == 1 else f"{folded[0].name} … {folded[-1].name}"
            rows.append(GridRow(name, Level.WELL, (), "", "", len(folded)))
        return rows

    def differences(self) -> list[Finding]:
        """What differs between nodes that must be equal, the worst first."""
        return ranked(self._fleet.findings)

    def _fleet_row(self) -> GridRow | None:
        found = self.differences()
        if not found:
            return None
        cells = tuple(Cell(one.level, GLYPHS[one.level], fleet_word(one)) for one in found)
        return GridRow(WHOLE_FLEET, found[0].level, cells, "", "")

    def concerns(self) -> list[Concern]:
        """Everything that is not well, worst first; what several NPUs of a node have is said once."""
        found = fleet_concerns(self._fleet.findings)
        silent: list[Concern] = []  # the moment at which a node fell silent is known
        for view in self._fleet.nodes.values():
            if self.level(view) is not Level.WELL:
                told = found if view.reachable else silent
                told += self._concerns_of(view)
        found = [replace(one, or_before=self.began_before(one.since)) for one in found]
        return sorted([*found, *silent], key=urgency)

    def _concerns_of(self, view: NodeView) -> list[Concern]:
        drained = self.drained(view)
        known = self._told.get(view.name)
        if known is None or known[0] is not view or known[1] != drained:
            known = (view, drained, concerns_of(view, self.verdicts(view), drained))
            self._told[view.name] = known
        return known[2]

    def _row(self, view: NodeView, measure: Measure, now: float, run: str, scale: float) -> GridRow:
        verdicts = self.verdicts(view)
        cells = tuple(_cell(view, index, verdict, measure, scale) for index, verdict in enumerate(verdicts))
        return GridRow(
            view.name,
            self.level(view),
            cells,
            run,
            seen(view, now),
            drained=self.drained(view),
            trouble=node_trouble(view),
            holder="" if run else short_holder(self.holdings(view)),
        )

    def _active_by_node(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for run in self._active():
            for node in run.created.nodes:
                found.setdefault(node, run.run_id)
        return found

    def _power_scale(self) -> float:
        powers = [device.power_w or 0.0 for view in self._fleet.nodes.values() for device in view.devices]
        return max([100.0, *powers])


def seen(view: NodeView, now: float) -> str:
    """The last column: how fresh the row is."""
    if view.unreachable_since is not None:
        return _("silent {age}").format(age=age(now - view.unreachable_since))
    if view.observed_at is None:
        return _("asking")
    old = now - view.observed_at
    return _("now") if old < QUIET_AFTER_S else age(old)


def _cell(view: NodeView, index: int, verdict: Verdict, measure: Measure, scale: float) -> Cell:
    if not view.reachable:
        return Cell(verdict.level, "?", "")
    if index >= len(view.devices):
        return Cell(Level.ALARM, GLYPHS[Level.ALARM], _("gone"))
    device = view.devices[index]
    glyph = GLYPHS[verdict.level]
    if measure is Measure.HEALTH:
        return Cell(verdict.level, glyph, short_word(view, index, verdict))
    value, fraction = reading(device, measure, scale)
    if value is None:
        return Cell(verdict.level, glyph if verdict.level is not Level.WELL else "–", "")
    if verdict.level is not Level.WELL:
        return Cell(verdict.level, glyph, thousands(value))
    heat = 1 + min(HEAT_STEPS - 1, max(0, int(fraction * HEAT_STEPS)))
    return Cell(Level.WELL, "▁▂▃▄▅▆▇█"[min(7, max(0, int(fraction * 8)))], thousands(value), heat)


def reading(device: DeviceReading, measure: Measure, scale: float) -> tuple[float | None, float]:
    """The value of a measure and how high it is, 0 to 1; (None, 0) where the tool prints none."""
    used, total = hbm(device)
    value: float | None
    match measure:
        case Measure.HBM:
            value = 100.0 * used / total if used is not None and total else None
            return value, (value or 0.0) / 100.0
        case Measure.AICORE:
            return device.aicore_pct, (device.aicore_pct or 0) / 100.0
        case Measure.TEMPERATURE:
            return device.temp_c, ((device.temp_c or 0) - 30) / 70.0
        case Measure.POWER:
            return device.power_w, (device.power_w or 0.0) / scale if scale else 0.0
        case _:
            return None, 0.0


def hbm(device: DeviceReading) -> tuple[int | None, int | None]:
    """Used and total MB of HBM, or of plain memory where the chip has no HBM."""
    if device.hbm_total_mb:
        return device.hbm_used_mb, device.hbm_total_mb
    return device.memory_used_mb, device.memory_total_mb
