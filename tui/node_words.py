"""One NPU in words: a sentence, its values, its last minutes, who uses it; pure."""

from __future__ import annotations

from rich.text import Text

from backend.events import DeviceDetails, DeviceReading, Finding, Level
from backend.state.fleet_state import NodeView
from backend.state.run_state import RunView
from backend.translation import _
from tui.concerns import findings_of, npu_name, silence
from tui.detail_words import details_of, ecc_counts, fact, facts
from tui.device_history import STEP_S, DeviceHistory
from tui.finding_words import append_brief, append_finding, append_head, append_line
from tui.fleet_board import FleetBoard, hbm
from tui.formats import clean, clip, clock, compact, gauge, since, sparkline, thousands
from tui.inks import DRAINED, Inks

PANE_KINDS = ("link", "net_health", "ecc", "hccs", "optical")


class NodeWords:
    """Writes the text of the detail pane."""

    def __init__(self, board: FleetBoard, history: DeviceHistory, inks: Inks) -> None:
        self._board = board
        self._history = history
        self._inks = inks

    def title(self, view: NodeView, index: int) -> str:
        return f"{view.name} · {npu_name(view, index)}"

    def detail(self, view: NodeView, index: int, now: float, width: int) -> Text:
        """The whole pane, `width` characters wide at most."""
        text = Text()
        self._judgement(text, view, index, now, width)
        self.append_drained(text, view, width)
        device = view.devices[index] if index < len(view.devices) else None
        if device is not None:
            self._links(text, view, index, now, width)
            self.append_values(text, view, index, now, width)
        self._users(text, view, index)
        if device is not None:
            self._processes(text, view, device, width)
        text.right_crop(1)
        return text

    def _judgement(self, text: Text, view: NodeView, index: int, now: float, width: int) -> None:
        """What is wrong with the chip, since when and what to do; or how far it is known to be well."""
        inks, findings = self._inks, findings_of(view, index)
        verdicts = self._board.verdicts(view)
        verdict = verdicts[min(index, len(verdicts) - 1)] if verdicts else None
        level = verdict.level if verdict else Level.UNKNOWN
        if not view.reachable:
            self.append_silence(text, view, now, width)
            for finding in findings[:1]:
                append_line(text, _("before"), finding.what, width, inks)
            return
        if level is Level.WELL and not findings:
            append_head(text, level, self._well(view, index, now), width, inks)
        elif verdict is not None and (not findings or findings[0].level < level):
            # the row of npu-smi info came first; what it means is being asked
            append_head(text, level, verdict.sentence, width, inks)
            if index >= len(view.devices):
                hint = _("npu-smi info -l on the node lists what the driver sees")
                append_line(text, _("first"), hint, width, inks, strong=True)
        for finding in findings[:1]:
            self.append_finding(text, view, finding, now, width)
        for finding in findings[1:]:
            append_brief(text, finding, now, width, inks)

    def append_finding(
        self,
        text: Text,
        view: NodeView,
        finding: Finding,
        now: float,
        width: int,
        place: str = "",
        first: bool = True,
    ) -> None:
        """One finding in full; with the `first` one how to keep new runs off the node."""
        then = self._then(view, finding.level) if first else ""
        before = self._board.began_before(finding.since)
        append_finding(text, finding, now, width, self._inks, place=place, then=then, or_before=before)

    def _then(self, view: NodeView, level: Level) -> str:
        """How to keep new runs off a node that is badly ill."""
        if level < Level.ALARM or self._board.drained(view):
            return ""
        return _("npudeck fleet drain {node} keeps new runs off it").format(node=view.name)

    def append_silence(self, text: Text, view: NodeView, now: float, width: int) -> None:
        """That nothing is known of the node, since when, and what to do."""
        append_head(text, Level.UNKNOWN, f"{view.name} {silence(view, now)}", width, self._inks)
        if view.unreachable_since is not None:
            append_line(text, _("since"), since(view.unreachable_since, now), width, self._inks)
        append_line(text, "", _("What runs there is not known: it may well go on."), width, self._inks)
        first = _("look at its power, its network and its ssh")
        append_line(text, _("first"), first, width, self._inks, strong=True)

    def _well(self, view: NodeView, index: int, now: float) -> str:
        details = details_of(view, index)
        if details is None or not details.answered:
            return _("by npu-smi info; the slower questions have no answer yet")
        if any(fact.old for fact in facts(details, now)):
            return _("as far as it answers; some answers are old")
        return _("by all that was asked and answered")

    def append_drained(self, text: Text, view: NodeView, width: int) -> None:
        """That an operator has taken the node out of service, and why."""
        if self._board.drained(view):
            why = self._board.why_drained(view) or _("nothing new is started on it")
            text.append(f"{DRAINED} ", self._inks["strong"])
            words = _("{node} is drained: {why}").format(node=view.name, why=clean(why))
            text.append(clip(words, width - 2) + "\n", self._inks["text"])

    def _links(self, text: Text, view: NodeView, index: int, now: float, width: int) -> None:
        """The slower answers in a line or two; those that are missing are left to the node's page."""
        details = details_of(view, index)
        failed = details.failed if details is not None else {}
        known = [one for kind in PANE_KINDS if (one := fact(kind, details, now)).age_s is not None]
        if not known:
            return
        used = 0
        for one in known:
            ink = self._inks["text"] if one.level is Level.WELL else self._inks.level(one.level)
            body = _brief_ecc(details) if one.kind == "ecc" and one.kind not in failed else one.text
            body = clip(clean(body), width - len(one.name) - 1)
            late = f" ({one.when})" if one.old else ""
            needs = len(one.name) + 1 + len(body) + len(late)
            if used and used + 3 + needs > width:
                text.append("\n")
                used = 0
            text.append(("   " if used else "") + f"{one.name} ", self._inks["dim"])
            text.append(body, ink)
            text.append(late, self._inks["unknown"])
            used += needs + (3 if used else 0)
        text.append("\n")

    def append_values(self, text: Text, view: NodeView, index: int, now: float, width: int) -> None:
        """The row of npu-smi info, and the last minutes of it."""
        self._values(text, view, view.devices[index], now)
        self._curves(text, view, index, now, width)

    def _values(self, text: Text, view: NodeView, device: DeviceReading, now: float) -> None:
        inks, quiet = self._inks, self._inks["dim"]
        if not view.reachable and view.observed_at is not None:
            text.append(_("last seen {clock}").format(clock=clock(view.observed_at)) + "\n", inks["unknown"])
        used, total = hbm(device)
        if used is not None and total:
            text.append("HBM ", quiet)
            text.append(f"{used / 1024:.1f} / {total / 1024:.1f} GiB ", inks["text"])
            text.append(gauge(used / total, 10), inks["heat3"])
            text.append(f" {100 * used / total:.0f} %\n", inks["text"])
        parts = [
            ("AICore ", f"{device.aicore_pct} %" if device.aicore_pct is not None else "–"),
            ("", f"{device.temp_c} °C" if device.temp_c is not None else "– °C"),
            ("", f"{compact_power(device.power_w)} W"),
            ("", device.name),
        ]
        for name, value in parts:
            text.append(name, quiet)
            text.append(f"{value}   ", inks["text"])
        text.append("\n")

    def _curves(self, text: Text, view: NodeView, index: int, now: float, width: int) -> None:
        room = max(10, min(60, width - 10))
        curves = (
            (_("AICore"), "aicore_pct", 0.0, 100.0, "heat3"),
            (_("power"), "power_w", 0.0, 0.0, "heat4"),
        )
        drawn = []
        for name, measure, low, high, ink in curves:
            values = self._history.curve(view.name, index, measure, now, room)
            known = [value for value in values if value is not None]
            if len(known) >= 2:
                drawn.append((name, sparkline(values, low, high or max(known) * 1.1), ink))
        if not drawn:
            return
        minutes = f"{room * STEP_S / 60:.0f}"
        text.append(_("last {minutes} min").format(minutes=minutes) + "\n", self._inks["dim"])
        for name, curve, ink in drawn:
            text.append(f"{name:<8}", self._inks["dim"])
            text.append(f"{curve}\n", self._inks[ink])

    def _users(self, text: Text, view: NodeView, index: int) -> None:
        runs = self._board.runs_on(view.name)
        if not runs:
            text.append(
                _("no run of this console on {node}").format(node=view.name) + "\n", self._inks["dim"]
            )
        for run in runs[:2]:
            text.append(f"{run.run_id} ", self._inks["strong"])
            text.append(_run_line(run, view.name) + "\n", self._inks["text"])

    def _processes(self, text: Text, view: NodeView, device: DeviceReading, width: int) -> None:
        mine = [
            process
            for process in view.processes
            if process.npu_id == device.npu_id and process.chip_id in (None, device.chip_id)
        ]
        for process in mine[:6]:
            size = f"{thousands(process.memory_mb)} MB" if process.memory_mb is not None else ""
            line = _("pid {pid}  {name}  {size}").format(pid=process.pid, name=clean(process.name), size=size)
            text.append(clip(line, width) + "\n", self._inks["dim"])


def _brief_ecc(details: DeviceDetails | None) -> str:
    double, _single, rows = (details and ecc_counts(details)) or (0, 0, 0)
    return _("{double} double-bit, {rows} rows").format(double=thousands(double), rows=thousands(rows))


def _run_line(run: RunView, node: str) -> str:
    rank = run.created.nodes.index(node)
    line = _("{model} {kind}, node rank {rank} of {count}").format(
        model=run.created.model, kind=run.created.run_type, rank=rank, count=len(run.created.nodes)
    )
    return line + (_(", it {iteration}").format(iteration=thousands(run.last.iteration)) if run.last else "")


def compact_power(power_w: float | None) -> str:
    """Whole watts are enough."""
    return compact(None) if power_w is None else f"{power_w:.0f}"
