"""What the slower questions said of one chip, as short facts with their age; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.events import DeviceDetails, Level, NodeDetailed, Optics
from backend.state.fleet_state import NodeView
from backend.state.question_times import is_old
from backend.translation import _
from tui.formats import age, thousands

UP, FINE = "UP", ("Success", "Init")


@dataclass(frozen=True, slots=True)
class Fact:
    """`age_s`: of the answer, None when there is none; `old`: the next answers are overdue.

    `level` is UNKNOWN for what is not known or too old to be believed.
    """

    name: str
    text: str
    level: Level
    age_s: float | None = None
    old: bool = False
    kind: str = ""

    @property
    def when(self) -> str:
        if self.age_s is None:
            return ""
        text = _("{age} ago").format(age=age(self.age_s))
        return _("{age}, old").format(age=text) if self.old else text


def details_of(view: NodeView, index: int) -> DeviceDetails | None:
    """The details of the chip at a place of the row; None: nothing was said of it yet."""
    if view.details is None or index >= len(view.devices):
        return None
    device = view.devices[index]
    return _find(view.details, device.npu_id, device.chip_id)


def _find(details: NodeDetailed, npu_id: int, chip_id: int) -> DeviceDetails | None:
    found = (one for one in details.devices if (one.npu_id, one.chip_id) == (npu_id, chip_id))
    return next(found, None)


Said = tuple[str, Level] | None


def facts(details: DeviceDetails | None, now: float) -> list[Fact]:
    """One fact a question, in a fixed order; a question that was never answered is not well."""
    return [_fact(name, kind, read, details, now) for name, kind, read in _FACTS]


def fact(kind: str, details: DeviceDetails | None, now: float) -> Fact:
    """The fact of one question."""
    name, asked, read = next(entry for entry in _FACTS if entry[1] == kind)
    return _fact(name, asked, read, details, now)


def _fact(
    name: str,
    kind: str,
    read: Callable[[DeviceDetails], Said],
    details: DeviceDetails | None,
    now: float,
) -> Fact:
    answered = details.answered.get(kind) if details is not None else None
    age_s = max(0.0, now - answered) if answered is not None else None
    old = age_s is not None and is_old(kind, age_s)
    failed = details.failed.get(kind) if details is not None else None
    said = read(details) if details is not None and age_s is not None else None
    if failed is not None:
        text = _("no answer: {reason}").format(reason=failed)
        text += _("; before: {said}").format(said=said[0]) if said else ""
        return Fact(name, text, Level.UNKNOWN, age_s, old, kind)
    if said is None:
        text = _("not said") if age_s is not None else _("no answer yet")
        return Fact(name, text, Level.UNKNOWN, age_s, old, kind)
    level = Level.UNKNOWN if old and said[1] is Level.WELL else said[1]
    return Fact(name, said[0], level, age_s, old, kind)


def ecc_counts(details: DeviceDetails) -> tuple[int, int, int] | None:
    """Double-bit errors, single-bit errors, isolated rows or pages."""
    if details.ecc is None:
        return None
    counted = details.ecc.items()
    double = sum(count for name, count in counted if name.endswith("Double Bit Error Count"))
    single = sum(count for name, count in counted if name.endswith("Single Bit Error Count"))
    rows = [count for name, count in counted if "Isolated Page" in name and "Single" not in name]
    return double, single, max(rows, default=0)


def ages(details: Sequence[DeviceDetails], now: float) -> list[Fact]:
    """For each question the oldest answer among these chips."""
    oldest: dict[str, float] = {}
    for one in details:
        for kind, at in one.answered.items():
            oldest[kind] = min(at, oldest.get(kind, at))
    names = {kind: name for name, kind, _read in _FACTS}
    found = []
    for kind, at in oldest.items():
        age_s = max(0.0, now - at)
        old = is_old(kind, age_s)
        found.append(Fact(names.get(kind, kind), "", Level.UNKNOWN if old else Level.WELL, age_s, old, kind))
    return found


def _codes(details: DeviceDetails) -> Said:
    if details.codes is None:
        return None
    text = ", ".join(details.codes) or _("none")
    return text, Level.WARNING if details.codes else Level.WELL


def _ecc(details: DeviceDetails) -> Said:
    counts = ecc_counts(details)
    if counts is None:
        return None
    double, single, rows = (thousands(count) for count in counts)
    text = _("{double} double-bit, {single} single-bit, {rows} rows isolated").format(
        double=double, single=single, rows=rows
    )
    return text, Level.WARNING if counts[0] or counts[2] else Level.WELL


def _clock(details: DeviceDetails) -> Said:
    if details.aicore_mhz is None:
        return None
    rated = f" / {thousands(details.aicore_rated_mhz)}" if details.aicore_rated_mhz is not None else ""
    return f"{thousands(details.aicore_mhz)}{rated} MHz", Level.WELL


def _memory(details: DeviceDetails) -> Said:
    parts = [f"{thousands(details.hbm_capacity_mb)} MB"] if details.hbm_capacity_mb is not None else []
    parts += [f"{details.hbm_temp_c} °C"] if details.hbm_temp_c is not None else []
    return (", ".join(parts), Level.WELL) if parts else None


def _hccs(details: DeviceDetails) -> Said:
    if details.hccs is None or details.hccs.healthy is None:
        return None
    lanes = " ".join(map(str, details.hccs.lane_modes))
    text = _("whole") if details.hccs.healthy else _("not whole")
    return text + (_(", lanes {lanes}").format(lanes=lanes) if lanes else ""), _level(details.hccs.healthy)


def _link(details: DeviceDetails) -> Said:
    if details.link is None and not details.ports:
        return None
    down = [name for name, state in details.ports.items() if state.upper() != UP]
    text = details.link or (_("a part of the ports") if down else UP)
    fine = text.upper() == UP and not down
    return text + (f" ({', '.join(down)} DOWN)" if down else ""), _level(fine)


def _net(details: DeviceDetails) -> Said:
    word = details.net_health
    if word is None:
        return None
    return word, Level.WELL if word in FINE else Level.UNKNOWN if word == "Unknown" else Level.WARNING


def _changes(details: DeviceDetails) -> Said:
    outages = sum(not change.up for change in details.changes)
    return (_("{n} times down in its history").format(n=outages) if outages else _("never down")), Level.WELL


def _optics(details: DeviceDetails) -> Said:
    optics = details.optics
    if optics is None:
        return None
    if optics.present is False:
        return _("no module"), Level.WARNING
    parts = [f"{optics.temp_c:g} °C"] if optics.temp_c is not None else []
    parts += _powers(_("rx"), optics.rx_mw) + _powers(_("tx"), optics.tx_mw)
    if optics.media_snr_db:
        parts.append(_("SNR {low:g} dB").format(low=min(optics.media_snr_db)))
    parts += [*optics.raised, *([optics.error] if optics.error else [])]
    return (", ".join(parts), _level(_sound(optics))) if parts else None


def _sound(optics: Optics) -> bool:
    return not optics.raised and not optics.error


def _powers(name: str, values: Sequence[float]) -> list[str]:
    if not values:
        return []
    low, high = min(values), max(values)
    return [f"{name} {low:g} mW" if low == high else f"{name} {low:g}–{high:g} mW"]


def _counted(prefix: str) -> Callable[[DeviceDetails], Said]:
    def read(details: DeviceDetails) -> Said:
        grown = {name: count for name, count in details.grown.items() if name.startswith(f"{prefix}: ")}
        if not any(name.startswith(f"{prefix}: ") for name in details.counters):
            return None
        if not grown:
            return _("no errors that grow"), Level.WELL
        text = ", ".join(f"{name.partition(': ')[2]} +{count}" for name, count in sorted(grown.items()))
        return text, Level.WARNING

    return read


def _address(details: DeviceDetails) -> Said:
    if details.address is None:
        return None
    return (details.address, Level.WELL) if details.address else (_("none is set"), Level.WARNING)


def _level(fine: bool) -> Level:
    return Level.WELL if fine else Level.WARNING


_FACTS: tuple[tuple[str, str, Callable[[DeviceDetails], Said]], ...] = (
    (_("fault codes"), "health", _codes),
    (_("ECC"), "ecc", _ecc),
    (_("clock"), "common", _clock),
    (_("HBM"), "memory", _memory),
    (_("HCCS"), "hccs", _hccs),
    (_("PCIe"), "pcie-err", _counted("pcie-err")),
    (_("die link"), "sio-info", _counted("sio-info")),
    (_("link"), "link", _link),
    (_("link history"), "link_stat", _changes),
    (_("network"), "net_health", _net),
    (_("packets"), "stat", _counted("stat")),
    (_("optics"), "optical", _optics),
    (_("FEC"), "fec", lambda details: (details.fec, Level.WELL) if details.fec is not None else None),
    (
        _("TLS switch"),
        "tls",
        lambda details: (str(details.tls_switch), Level.WELL) if details.tls_switch is not None else None,
    ),
    (_("address"), "ip", _address),
    (
        _("switch port"),
        "lldp",
        lambda details: (details.switch_port, Level.WELL) if details.switch_port is not None else None,
    ),
)
