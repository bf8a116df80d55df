"""The pane beside the grid: what is wrong with one card, or between the nodes, worst first; pure."""

from __future__ import annotations

from rich.text import Text

from backend.events import DeviceDetails, DeviceReading, Finding, Level
from backend.state.device_health import Verdict
from backend.state.fleet_state import NodeView
from backend.translation import _
from tui.concerns import findings_of, fleet_word, node_findings
from tui.detail_words import details_of, ecc_counts, fact, facts
from tui.finding_words import append_brief, append_head, append_line, append_trouble
from tui.fleet_board import FleetBoard
from tui.formats import clean, clip, thousands
from tui.inks import Inks
from tui.node_words import NodeWords
from tui.pane_blocks import PaneBlocks

PANE_KINDS = ("link", "net_health", "ecc", "hccs", "optical")
# how soon a part is left out of a pane that is too small
MUST, OTHERS, USERS, THEN, VALUES, LINKS, WHY, CURVES, PROCESSES = range(9)


class CardPane:
    """Writes the text of the pane, `width` characters wide and `height` lines high at most."""

    def __init__(self, board: FleetBoard, words: NodeWords, inks: Inks) -> None:
        self._board = board
        self._words = words
        self._inks = inks

    def card(
        self, view: NodeView, index: int, now: float, width: int, height: int | None = None
    ) -> tuple[Text, bool]:
        """One NPU; and whether something had to be left out."""
        pane = PaneBlocks()
        if view.reachable:
            self._judgement(pane, view, index, now, width)
        else:
            self._silence(pane, view, index, now, width)
        self._words.append_drained(pane.add(USERS), view, now, width)
        device = view.devices[index] if index < len(view.devices) else None
        npu_id = device.npu_id if device is not None else None
        self._words.append_users(pane.add(USERS), view, npu_id, now, width)
        if device is not None:
            self._words.append_row(pane.add(VALUES), view, device, width)
            self._links(pane, view, index, now, width)
            self._words.append_curves(pane.add(CURVES), view, index, now, width)
            self._processes(pane.add(PROCESSES), view, device, width)
        return pane.fitted(height)

    def difference(
        self, index: int, now: float, width: int, height: int | None = None
    ) -> tuple[str, Text, bool]:
        """Title and text of what differs between nodes; the others of its kind below it."""
        found = self._board.differences()
        if not found:
            return "", Text(), False
        index = min(index, len(found) - 1)
        pane = PaneBlocks()
        self._told(pane, None, found[index], now, width)
        for place, finding in enumerate(found):
            if place != index:
                append_brief(pane.add(OTHERS), finding, width, self._inks)
        return f"{_('fleet')} · {clean(fleet_word(found[index]))}", *pane.fitted(height)

    # ---- what is wrong ----

    def _judgement(self, pane: PaneBlocks, view: NodeView, index: int, now: float, width: int) -> None:
        """What is wrong with the chip and with its node, since when and what to do; or that it is well."""
        listed = index < len(view.devices)
        own = findings_of(view, index)
        verdict = self._verdict(view, index)
        level = verdict.level if verdict else Level.UNKNOWN
        found = [("", finding) for finding in own]
        if listed:
            found += [(f"{view.name}: ", finding) for finding in node_findings(view)]
        found.sort(key=lambda entry: -entry[1].level)
        well = level is Level.WELL and not own
        if verdict is not None and not well and (not own or own[0].level < level):
            # the row of npu-smi info came first; what it means is being asked
            head = pane.add(MUST)
            append_head(head, level, verdict.sentence, width, self._inks)
            if not listed:
                hint = _("npu-smi info -l on the node lists what the driver sees")
                append_line(head, _("first"), hint, width, self._inks, strong=True)
        for place, finding in found[:1]:
            self._told(pane, view, finding, now, width, place)
        for place, finding in found[1:]:
            append_brief(pane.add(OTHERS), finding, width, self._inks, place)
        if well:
            append_head(pane.add(MUST), level, self._well(view, index, now), width, self._inks)

    def _verdict(self, view: NodeView, index: int) -> Verdict | None:
        verdicts = self._board.verdicts(view)
        return verdicts[min(index, len(verdicts) - 1)] if verdicts else None

    def _told(
        self,
        pane: PaneBlocks,
        view: NodeView | None,
        finding: Finding,
        now: float,
        width: int,
        place: str = "",
    ) -> None:
        before = self._board.began_before(finding.since)
        append_trouble(pane.add(MUST), finding, now, width, self._inks, place=place, or_before=before)
        if view is not None:
            then = self._words.then(view, finding)
            append_line(pane.add(THEN), _("then"), then, width, self._inks)
        append_line(pane.add(WHY), _("why"), finding.why, width, self._inks)

    def _silence(self, pane: PaneBlocks, view: NodeView, index: int, now: float, width: int) -> None:
        self._words.append_silence(pane.add(MUST), view, now, width)
        for finding in findings_of(view, index)[:1]:
            append_line(pane.add(OTHERS), _("before"), finding.what, width, self._inks)

    def _well(self, view: NodeView, index: int, now: float) -> str:
        details = details_of(view, index)
        if details is None or not details.answered:
            return _("by npu-smi info; the slower questions have no answer yet")
        if any(one.old for one in facts(details, now)):
            return _("as far as it answers; some answers are old")
        return _("by all that was asked and answered")

    # ---- what is known ----

    def _links(self, pane: PaneBlocks, view: NodeView, index: int, now: float, width: int) -> None:
        """The slower answers, as many in a line as fit; missing ones are left to the node's page."""
        details = details_of(view, index)
        failed = details.failed if details is not None else {}
        known = [one for kind in PANE_KINDS if (one := fact(kind, details, now)).age_s is not None]
        text, used = pane.add(LINKS), 0
        for one in known:
            ink = self._inks["text"] if one.level is Level.WELL else self._inks.level(one.level)
            body = _brief_ecc(details) if one.kind == "ecc" and one.kind not in failed else one.text
            late = f" ({one.when})" if one.old else ""
            body = clip(clean(body), width - len(one.name) - 1 - len(late))
            needs = len(one.name) + 1 + len(body) + len(late)
            if used and used + 3 + needs > width:
                text.append("\n")
                text, used = pane.add(LINKS), 0
            text.append(("   " if used else "") + f"{one.name} ", self._inks["dim"])
            text.append(body, ink)
            text.append(late, self._inks["unknown"])
            used += needs + (3 if used else 0)
        if text:
            text.append("\n")

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
