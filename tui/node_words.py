"""One NPU in words: a sentence, its values, its last minutes, who uses it; pure."""

from __future__ import annotations

from rich.text import Text

from backend.cli.own_commands import pasteable
from backend.events import DeviceReading, Finding, Level
from backend.state.fleet_state import NodeView
from backend.state.run_state import RunView
from backend.translation import _
from tui.concerns import npu_name, silence
from tui.device_history import STEP_S, DeviceHistory
from tui.finding_words import append_finding, append_head, append_line
from tui.fleet_board import FleetBoard, hbm
from tui.formats import age, clean, clip, clock, compact, gauge, hang, since, sparkline, thousands
from tui.inks import DRAINED, Inks
from tui.lease_words import append_holders

ONE_LINE = 66  # from this width on the values of a row stand in one line


class NodeWords:
    """Writes the parts that the pane of a card and the page of a node have in common."""

    def __init__(self, board: FleetBoard, history: DeviceHistory, inks: Inks) -> None:
        self._board = board
        self._history = history
        self._inks = inks

    def title(self, view: NodeView, index: int) -> str:
        return f"{view.name} · {npu_name(view, index)}"

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
        then = self.then(view, finding) if first else ""
        before = self._board.began_before(finding.since)
        append_finding(text, finding, now, width, self._inks, place=place, then=then, or_before=before)

    def then(self, view: NodeView, finding: Finding) -> str:
        """How to keep new runs off a node that is badly ill, unless that is the first thing to do."""
        command = f"npudeck fleet drain {view.name}"
        if finding.level < Level.ALARM or self._board.drained(view) or command in finding.fix:
            return ""
        return _("{command} keeps new runs off it").format(command=pasteable(command))

    def append_silence(self, text: Text, view: NodeView, now: float, width: int) -> None:
        """That nothing is known of the node, since when, and what to do."""
        append_head(text, Level.UNKNOWN, f"{view.name} {silence(view, now)}", width, self._inks)
        if view.unreachable_since is not None:
            append_line(text, _("since"), since(view.unreachable_since, now), width, self._inks)
        append_line(text, "", _("What runs there is not known: it may well go on."), width, self._inks)
        first = _("look at its power, its network and its ssh")
        append_line(text, _("first"), first, width, self._inks, strong=True)

    def append_drained(self, text: Text, view: NodeView, now: float, width: int) -> None:
        """That an operator has taken the node out of service, why, since when and who it was."""
        if not self._board.drained(view):
            return
        why = self._board.why_drained(view) or _("nothing new is started on it")
        words = _("{node} is drained: {why}").format(node=view.name, why=clean(why))
        who, at = self._board.drained_by(view)
        words += _(" ({who}, {when})").format(who=clean(who), when=since(at, now)) if who else ""
        start = len(text)
        text.append(hang(DRAINED, words, width, 2) + "\n", self._inks["text"])
        text.stylize(self._inks["strong"], start, start + 1)

    def append_values(self, text: Text, view: NodeView, index: int, now: float, width: int) -> None:
        """The row of npu-smi info, and the last minutes of it."""
        self.append_row(text, view, view.devices[index], width)
        self.append_curves(text, view, index, now, width)

    def append_row(self, text: Text, view: NodeView, device: DeviceReading, width: int) -> None:
        """The values of npu-smi info, in one line where there is room."""
        inks, quiet = self._inks, self._inks["dim"]
        if not view.reachable and view.observed_at is not None:
            text.append(_("last seen {clock}").format(clock=clock(view.observed_at)) + "\n", inks["unknown"])
        used, total = hbm(device)
        if used is not None and total:
            text.append("HBM ", quiet)
            text.append(f"{used / 1024:.1f} / {total / 1024:.1f} GiB ", inks["text"])
            text.append(gauge(used / total, 10), inks["heat3"])
            text.append(f" {100 * used / total:.0f} %", inks["text"])
            text.append("   " if width >= ONE_LINE else "\n")
        parts = [
            ("AICore ", f"{device.aicore_pct} %" if device.aicore_pct is not None else "–"),
            ("", f"{device.temp_c} °C" if device.temp_c is not None else "– °C"),
            ("", f"{compact_power(device.power_w)} W"),
            ("", clip(clean(device.name), 12)),
        ]
        for place, (name, value) in enumerate(parts):
            text.append(("   " if place else "") + name, quiet)
            text.append(value, inks["text"])
        text.append("\n")

    def append_curves(self, text: Text, view: NodeView, index: int, now: float, width: int) -> None:
        """The last minutes of load and power; nothing until there are two readings."""
        room = max(10, min(60, width - 10))
        curves = (
            (_("AICore"), "aicore_pct", 0.0, 100.0, "heat3"),
            (_("power"), "power_w", 0.0, 0.0, "heat4"),
        )
        drawn, blank = [], room
        for name, measure, low, high, ink in curves:
            values = self._history.curve(view.name, index, measure, now, room)
            known = [value for value in values if value is not None]
            if len(known) >= 2:
                drawn.append((name, sparkline(values, low, high or max(known) * 1.1), ink))
                blank = min(blank, next(i for i, value in enumerate(values) if value is not None))
        if not drawn:
            return
        drawn = [(name, curve[blank:], ink) for name, curve, ink in drawn]
        words = _("last {span}").format(span=age((room - blank) * STEP_S))
        text.append(words + "\n", self._inks["dim"])
        for name, curve, ink in drawn:
            text.append(f"{name:<8}", self._inks["dim"])
            text.append(f"{curve}\n", self._inks[ink])

    def append_users(self, text: Text, view: NodeView, npu_id: int | None, now: float, width: int) -> None:
        """The runs on the node, and who else holds the card; with `npu_id` None: the node."""
        runs = self._board.runs_on(view.name)
        for run in runs[:2]:
            start, line = len(text), clean(_run_line(run, view.name, now))
            text.append(hang(run.run_id, line, width, len(run.run_id) + 1) + "\n", self._inks["text"])
            text.stylize(self._inks["strong"], start, start + len(run.run_id))
        own = [f"{run.run_id}-{run.created.uid}" for run in runs]
        said = self._board.holdings(view)
        append_holders(text, view.name, said, npu_id, own, now, width, self._inks)


def _run_line(run: RunView, node: str, now: float) -> str:
    made = run.created
    who = made.actor.partition("@")[0]
    line = _("of {who} since {when}: {model} {kind}, node rank {rank} of {count}").format(
        who=who or "?",
        when=since(made.at, now),
        model=made.model,
        kind=made.run_type,
        rank=made.nodes.index(node),
        count=len(made.nodes),
    )
    return line + (_(", it {iteration}").format(iteration=thousands(run.last.iteration)) if run.last else "")


def compact_power(power_w: float | None) -> str:
    """Whole watts are enough."""
    return compact(None) if power_w is None else f"{power_w:.0f}"
