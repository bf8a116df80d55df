"""The page of one node: what is wrong, who uses it, its chips, one of them in full, the machine; pure."""

from __future__ import annotations

from rich.text import Text

from backend.events import DeviceDetails, DeviceReading, Disk, HostDetails, Level
from backend.state.fleet_state import NodeView
from backend.state.question_times import is_old
from backend.translation import _
from tui.concerns import findings_of, node_findings, npu_name
from tui.detail_words import Fact, ages, details_of, ecc_counts, fact, facts
from tui.finding_words import append_line
from tui.fleet_board import FleetBoard, hbm
from tui.formats import age, clean, clip, clock, pad, thousands
from tui.inks import GLYPHS, Inks
from tui.node_words import NodeWords
from tui.pane_blocks import beside

LABEL = 15
TWO_COLUMNS, RIGHT, GAP = 130, 60, 3  # from that width on the machine stands beside the chip
COLUMNS = (("link", 8), ("net_health", 10), ("ecc", 9), ("hccs", 11), ("common", 20))


class NodePage:
    """Writes the page; `index` is the chip that is shown in full."""

    def __init__(self, board: FleetBoard, words: NodeWords, inks: Inks) -> None:
        self._board = board
        self._words = words
        self._inks = inks
        self.chips_line = self.chip_line = 0  # where the list of the chips begins, and the one in full

    def text(self, view: NodeView, index: int, now: float, width: int) -> Text:
        text = Text()
        self._wrong(text, view, now, width)
        self._title(text, _("used by"))
        self._words.append_users(text, view, None, now, width)
        self.chips_line = text.plain.count("\n")
        self._chips(text, view, index, now, width)
        self.chip_line = text.plain.count("\n")
        two = width >= TWO_COLUMNS
        left = width - RIGHT - GAP if two else width
        chip, machine = Text(), Text()
        if index < len(view.devices):
            self._title(chip, npu_name(view, index))
            self._words.append_values(chip, view, index, now, left)
            self._facts(chip, details_of(view, index), now, left)
        self._host(machine, view, now, RIGHT if two else width)
        text.append("\n")
        text.append(
            beside(chip, machine, left + GAP) if two else Text("\n").join(filter(None, (chip, machine)))
        )
        text.rstrip()
        return text

    def _title(self, text: Text, title: str, when: str = "") -> None:
        text.append(("\n" if text else "") + f"── {title} ", self._inks["accent"])
        text.append(f"{when}\n", self._inks["dim"])

    # ---- what is wrong ----

    def _wrong(self, text: Text, view: NodeView, now: float, width: int) -> None:
        inks = self._inks
        self._words.append_drained(text, view, now, width)
        if not view.reachable:
            self._words.append_silence(text, view, now, width)
            if view.last_findings:
                text.append(_("what was wrong before:") + "\n", inks["dim"])
        found = [("", finding) for finding in node_findings(view)]
        for index in range(len(view.devices)):
            found += [(f"{npu_name(view, index)}: ", finding) for finding in findings_of(view, index)]
        found.sort(key=lambda entry: -entry[1].level)
        for number, (place, finding) in enumerate(found):
            self._words.append_finding(text, view, finding, now, width, place, first=number == 0)
        if view.reachable and not view.last_findings:
            level = self._board.level(view)
            text.append(GLYPHS[level], inks.mark(level))
            word = _("nothing is wrong by what was asked and answered") if level is Level.WELL else ""
            text.append(f" {word or self._sentences(view)}\n", inks["text"])

    def _sentences(self, view: NodeView) -> str:
        """From the rows alone: the judgement over everything has not come yet."""
        said = [verdict.sentence for verdict in self._board.verdicts(view) if verdict.sentence]
        return clean("; ".join(dict.fromkeys(said)))

    # ---- the machine ----

    def _host(self, text: Text, view: NodeView, now: float, width: int) -> None:
        host = view.details.host if view.details is not None else None
        self._title(text, _("host"), self._when(host, "host", view, now))
        if host is None or "host" not in host.answered:
            text.append("? " + _("not known yet: it is asked every 30 s") + "\n", self._inks["unknown"])
        else:
            self._host_lines(text, host, width)
        self._title(text, _("versions"), self._when(host, "versions", view, now))
        if host is None or "versions" not in host.answered:
            text.append("? " + _("not known yet: they are asked every 30 min") + "\n", self._inks["unknown"])
        elif not host.versions:
            text.append("? " + _("the node names none") + "\n", self._inks["unknown"])
        else:
            for name, version in host.versions.items():
                self._row(text, name, version, width)

    def _when(self, host: HostDetails | None, kind: str, view: NodeView, now: float) -> str:
        at = host.answered.get(kind) if host is not None else None
        if at is None:
            return ""
        old = is_old(kind, now - at) or not view.reachable
        said = _("{age} ago").format(age=age(now - at))
        return _("{age}, old").format(age=said) if old else said

    def _host_lines(self, text: Text, host: HostDetails, width: int) -> None:
        load = "–" if host.load_1m is None else f"{host.load_1m:.1f}"
        busy = "" if host.cpu_pct is None else _(", {pct:.0f} % busy").format(pct=host.cpu_pct)
        cpus = "?" if host.cpus is None else thousands(host.cpus)
        self._row(
            text, _("load"), _("{load} on {cpus} CPUs{busy}").format(load=load, cpus=cpus, busy=busy), width
        )
        if host.memory_mb:
            self._row(text, _("memory"), _free(host.memory_free_mb, host.memory_mb), width)
        for disk in (*((host.shm,) if host.shm else ()), *_worst_disks(host.disks)):
            self._row(text, clean(disk.path), _free(disk.free_mb, disk.size_mb), width)
        if len(host.disks) > MOST_DISKS:
            more = _("and {n} more, with more room").format(n=len(host.disks) - MOST_DISKS)
            self._row(text, "", more, width)
        self._row(text, _("clock"), _clock_words(host), width)
        if host.pci_npus is not None:
            self._row(text, _("PCI bus"), _("{n} NPUs").format(n=host.pci_npus), width)

    def _row(self, text: Text, name: str, value: str, width: int) -> None:
        text.append(pad(clip(clean(name), LABEL - 1), LABEL), self._inks["dim"])
        text.append(clip(clean(value), max(10, width - LABEL)) + "\n", self._inks["text"])

    # ---- the chips ----

    def _chips(self, text: Text, view: NodeView, index: int, now: float, width: int) -> None:
        known = view.details.devices if view.details is not None else ()
        self._title(text, _("NPUs"), clip(_ages_line(ages(known, now), view), width - 8))
        head = "  " + _("NPU").ljust(10) + _("AICore").ljust(8) + _("HBM").ljust(7) + _("temp").ljust(7)
        head += "".join(fact(kind, None, now).name.ljust(wide) for kind, wide in COLUMNS)
        text.append(clip(head.rstrip(), width) + "\n", self._inks["dim"])
        verdicts = self._board.verdicts(view)
        for place, verdict in enumerate(verdicts):
            text.append("▸ " if place == index else "  ", self._inks["accent"])
            text.append(GLYPHS[verdict.level], self._inks.mark(verdict.level))
            if place >= len(view.devices):
                text.append(" " + _("gone: npu-smi does not list it") + "\n", self._inks.level(verdict.level))
                continue
            device = view.devices[place]
            name = f" {device.npu_id}" + (f".{device.chip_id}" if device.chip_id else "")
            text.append(
                name.ljust(9) + _row_values(device), self._inks["text" if view.reachable else "unknown"]
            )
            self._columns(text, details_of(view, place), now, width - 34)
            text.append("\n")

    def _columns(self, text: Text, details: DeviceDetails | None, now: float, room: int) -> None:
        for kind, wide in COLUMNS:
            if room < 6:
                return
            one = fact(kind, details, now)
            body = _column(one, details)
            known = one.level is Level.WELL or body == "–"
            ink = (
                self._inks["text" if one.level is Level.WELL else "dim"]
                if known
                else self._inks.level(one.level)
            )
            text.append(pad(clip(clean(body), min(wide, room) - 1), wide), ink)
            room -= wide

    def _facts(self, text: Text, details: DeviceDetails | None, now: float, width: int) -> None:
        silent: list[str] = []
        for one in facts(details, now):
            if one.age_s is None and one.text == _("no answer yet"):
                silent.append(one.name)
                continue
            self._fact(text, one, width)
        if silent:
            words = _("no answer yet, or not offered by this NPU: {names}").format(names=", ".join(silent))
            append_line(text, "?", words, width, self._inks)

    def _fact(self, text: Text, one: Fact, width: int) -> None:
        room = max(10, width - LABEL - 14)
        text.append(one.name.ljust(LABEL), self._inks["dim"])
        ink = self._inks["text"] if one.level is Level.WELL else self._inks.level(one.level)
        text.append(pad(clean(one.text), room), ink)
        text.append(f" {one.when}\n", self._inks["unknown" if one.old else "dim"])


MOST_DISKS = 4


def _worst_disks(disks: tuple[Disk, ...]) -> list[Disk]:
    """Those with the least room, by share."""
    return sorted(disks, key=lambda disk: disk.free_mb / max(1, disk.size_mb))[:MOST_DISKS]


def _free(free_mb: int | None, size_mb: int) -> str:
    size = f"{size_mb / 1024:,.1f} GiB"
    if free_mb is None:
        return size
    share = 100 * free_mb / max(1, size_mb)
    return _("{free:,.1f} of {size} free ({share:.0f} %)").format(free=free_mb / 1024, size=size, share=share)


def _clock_words(host: HostDetails) -> str:
    if host.clock_synchronised is None and host.clock_offset_s is None:
        return _("unknown: the node names no time source")
    parts = []
    if host.clock_synchronised is not None:
        parts.append(_("synchronised") if host.clock_synchronised else _("not synchronised"))
    if host.clock_offset_s is not None:
        parts.append(_("{ms:+,.1f} ms").format(ms=1000 * host.clock_offset_s))
    return ", ".join(parts)


def _row_values(device: DeviceReading) -> str:
    used, total = hbm(device)
    load = "–" if device.aicore_pct is None else f"{device.aicore_pct} %"
    memory = f"{100 * used / total:.0f} %" if used is not None and total else "–"
    temp = "–" if device.temp_c is None else f"{device.temp_c} °C"
    return load.ljust(8) + memory.ljust(7) + temp.ljust(7)


def _column(one: Fact, details: DeviceDetails | None) -> str:
    """What fits into a column: `?` for what is not known or, after a value, for one that is old."""
    if details is None or one.kind in details.failed:
        return "?"
    if one.age_s is None:
        return "–"
    counts = ecc_counts(details) if one.kind == "ecc" else None
    text = f"{counts[0]} / {counts[2]}" if counts is not None else one.text
    if one.kind == "hccs":
        text = text.partition(",")[0] if details.hccs and details.hccs.healthy is not None else "?"
    return f"{text} ?" if one.old and text != "?" else text


def _ages_line(known: list[Fact], view: NodeView) -> str:
    """How old the answers are; those that are overdue by name."""
    if not view.reachable:
        at = clock(view.observed_at) if view.observed_at is not None else _("never")
        return _("as last seen: {clock}").format(clock=at)
    spans = [one.age_s for one in known if one.age_s is not None and not one.old]
    text = _("table now")
    if spans:
        low, high = age(min(spans)), age(max(spans))
        span = low if low == high else _("{low} to {high}").format(low=low, high=high)
        text += _(", answers {span} old").format(span=span)
    late = [f"{one.name} {age(one.age_s or 0)}" for one in known if one.old]
    return text + (_(", overdue: {names}").format(names=", ".join(late)) if late else "")
