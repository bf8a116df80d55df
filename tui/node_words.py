"""One NPU in words: a sentence, its values, its last minutes, who uses it; pure."""

from __future__ import annotations

from rich.text import Text

from backend.events import DeviceReading
from backend.state.device_health import Level
from backend.state.fleet_state import NodeView
from backend.state.run_state import RunView
from backend.translation import _
from tui.device_history import STEP_S, DeviceHistory
from tui.fleet_board import FleetBoard, hbm, npu_name, silence
from tui.formats import clean, clip, clock, compact, gauge, sparkline, thousands
from tui.inks import GLYPHS, Inks


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
        self._sentence(text, view, index, now)
        device = view.devices[index] if index < len(view.devices) else None
        if device is not None:
            self._values(text, view, device, now)
            self._curves(text, view, index, now, width)
        self._users(text, view, index)
        if device is not None:
            self._processes(text, view, device, width)
        text.right_crop(1)
        return text

    def _sentence(self, text: Text, view: NodeView, index: int, now: float) -> None:
        inks = self._inks
        verdicts = self._board.verdicts(view)
        verdict = verdicts[min(index, len(verdicts) - 1)] if verdicts else None
        level = verdict.level if verdict else Level.UNKNOWN
        text.append(f"{GLYPHS[level]} ", inks.level(level))
        if not view.reachable:
            text.append(f"{view.name} {silence(view, now)}\n", inks.level(Level.UNKNOWN))
            what = _("What runs there is not known: it may well go on.")
            text.append(f"  {what}\n", inks["dim"])
            return
        sentence = verdict.sentence if verdict and verdict.sentence else _("well")
        text.append(f"{sentence}\n", inks.level(level) if level is not Level.WELL else inks["text"])
        if level is Level.ALARM and index >= len(view.devices):
            text.append(
                "  " + _("on the node: npu-smi info -l lists what the driver sees") + "\n", inks["dim"]
            )

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


def _run_line(run: RunView, node: str) -> str:
    rank = run.created.nodes.index(node)
    line = _("{model} {kind}, node rank {rank} of {count}").format(
        model=run.created.model, kind=run.created.run_type, rank=rank, count=len(run.created.nodes)
    )
    return line + (_(", it {iteration}").format(iteration=thousands(run.last.iteration)) if run.last else "")


def compact_power(power_w: float | None) -> str:
    """Whole watts are enough."""
    return compact(None) if power_w is None else f"{power_w:.0f}"
