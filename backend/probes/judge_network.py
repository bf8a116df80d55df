"""The RoCE or UB link of a chip, its history, its optics and its packets.

npu-smi's Health shows none of it: a chip is OK while its link is down.
"""

from __future__ import annotations

from backend.events import DeviceDetails, Level, Optics
from backend.probes.circumstances import Findings
from backend.probes.code_history import DAY_S
from backend.probes.deltas import FLAP_S, Outage, falls_within, flaps
from backend.translation import _, ngettext

# hccn_tool's words (hicann/driver). MindCluster flags only Socket failed, Receive timeout, Unreachable and
# Detect ip set; Fault, Time exceeded and Thread error are no better
FINE_NET_HEALTH = frozenset({"Success", "Init"})
# MindCluster's diagnosis toolkit takes this as an example of a low signal-to-noise ratio
LEAST_SNR_DB = 12.0
# MindCluster's faultCustomization.json for 81078603, a link that goes down
MOST_FALLS = 5


def judge_network(findings: Findings, details: DeviceDetails) -> None:
    _judge_link(findings, details)
    if details.net_health is not None and not _is_cut_off(details):
        _judge_net_health(findings, details.net_health)
    if details.address == "" and details.link is not None:
        findings.add(
            "no_address",
            Level.WARNING,
            _("no RoCE address is set"),
            _("jobs over several nodes cannot reach this NPU"),
            _("set it with hccn_tool -i {npu} -ip -s").format(npu=details.phy_id),
        )
    if details.optics is not None:
        _judge_optics(findings, details.optics)


def _judge_link(findings: Findings, details: DeviceDetails) -> None:
    circumstances = findings.circumstances
    down = [f"{name} {state}" for name, state in details.ports.items() if state.upper() != "UP"]
    if details.link is not None and details.link.upper() != "UP":
        whole = _is_cut_off(details)
        last = max((change.at for change in details.changes if not change.up), default=None)
        findings.add(
            "link_down",
            Level.ALARM if whole else Level.WARNING,
            _("link {state}").format(state=details.link) + (f": {', '.join(down)}" if down else ""),
            _why_cut_off(details) if whole else _("a part of the ports is down"),
            _at_the_cable(details),
            since=last,
        )
    if circumstances.since is None:
        return
    ended: dict[str, list[Outage]] = {}
    for outage in flaps(details.changes, circumstances.since, circumstances.at):
        if outage.up_at is not None:
            ended.setdefault(outage.port, []).append(outage)
    for port, outages in ended.items():
        _add_flaps(findings, details, port, outages)
    for port, falls in falls_within(details.changes, DAY_S, circumstances.at).items():
        if port not in ended and len(falls) >= MOST_FALLS:
            _add_falls(findings, details, port, falls)


def _add_flaps(findings: Findings, details: DeviceDetails, port: str, outages: list[Outage]) -> None:
    """One finding a port, however often its link went down."""
    seconds = sum(outage.lasted_s(findings.circumstances.at) for outage in outages)
    what = ngettext(
        "the link was down for {seconds:.0f} s",
        "the link was down {n} times, {seconds:.0f} s in all",
        len(outages),
    )
    findings.add(
        "link_flap",
        Level.WARNING,
        (_("port {port}: ").format(port=port) if port else "") + what.format(n=len(outages), seconds=seconds),
        _("outages longer than {limit:.0f} s count").format(limit=FLAP_S),
        _at_the_cable(details),
        since=outages[0].down_at,
        code=port,
    )


def _is_cut_off(details: DeviceDetails) -> bool:
    return details.link is not None and details.link.upper() == "DOWN"


def _why_cut_off(details: DeviceDetails) -> str:
    """What follows from the link being down is said with it."""
    why = _("HCCL cannot reach this NPU")
    if details.net_health is None or details.net_health in FINE_NET_HEALTH:
        return why
    return f"{why}; " + _("network health: {word}").format(word=details.net_health)


def _add_falls(findings: Findings, details: DeviceDetails, port: str, falls: tuple[float, ...]) -> None:
    """Short ones, each of which a job outlives."""
    findings.add(
        "link_flap",
        Level.WARNING,
        (_("port {port}: ").format(port=port) if port else "")
        + _("the link went down {n} times within a day").format(n=len(falls)),
        _("MindCluster takes an NPU out of use from {n} times on").format(n=MOST_FALLS),
        _at_the_cable(details),
        since=falls[0],
        code=port,
    )


def _at_the_cable(details: DeviceDetails) -> str:
    if details.switch_port:
        return _("check cable, optical module and switch port {port}").format(port=details.switch_port)
    return _("check cable, optical module and switch port")


def _judge_net_health(findings: Findings, word: str) -> None:
    if word in FINE_NET_HEALTH:
        return
    known = word != "Unknown"
    findings.add(
        "net_health",
        Level.WARNING if known else Level.UNKNOWN,
        _("network health: {word}").format(word=word),
        _("the NPU does not reach the address that it is told to watch")
        if known
        else _("hccn_tool cannot tell"),
        _("check the link, the gateway and the netdetect address"),
    )


def _judge_optics(findings: Findings, optics: Optics) -> None:
    reasons = [_("{flag} is raised").format(flag=flag) for flag in optics.raised]
    reasons += _outside(_("transmit power"), optics.tx_mw, optics.tx_range_mw, "mW")
    reasons += _outside(_("receive power"), optics.rx_mw, optics.rx_range_mw, "mW")
    if optics.temp_c is not None:
        reasons += _outside(_("temperature"), (optics.temp_c,), optics.temp_range_c, "°C")
    low = [value for value in optics.media_snr_db if value < LEAST_SNR_DB]
    if low:
        reasons.append(_("signal-to-noise ratio {value:.1f} dB").format(value=min(low)))
    if optics.error:
        reasons.insert(0, optics.error)
    if optics.present is False:
        findings.add(
            "optics_missing",
            Level.WARNING,
            _("no optical module is seen"),
            "; ".join(reasons),
            _("put the module in again, or replace it"),
        )
    elif reasons:
        findings.add(
            "optics",
            Level.WARNING,
            _("the optical module does not answer")
            if optics.error
            else _("the optical module is outside its limits"),
            "; ".join(reasons),
            _("clean or replace the module and its cable"),
        )


def _outside(
    name: str, values: tuple[float, ...], limits: tuple[float | None, float | None], unit: str
) -> list[str]:
    low, high = limits
    return [
        (
            _("{name} {value:g} {unit}, lane {lane}") if len(values) > 1 else _("{name} {value:g} {unit}")
        ).format(name=name, value=value, unit=unit, lane=lane)
        + _(" ({low:g} to {high:g})").format(low=low, high=high)
        for lane, value in enumerate(values)
        if low is not None and high is not None and not low <= value <= high
    ]
