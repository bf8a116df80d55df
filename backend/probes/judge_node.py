"""A node: its chips among their peers, and the ones that are not there."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from statistics import median_low

from backend.events import DeviceDetails, DeviceReading, Finding, HostDetails, Level, NodeObserved
from backend.probes.circumstances import Circumstances, Findings
from backend.probes.judge_device import judge_device, judge_processes
from backend.translation import _, ngettext

Key = tuple[int, int]


def judge_node(
    seen: NodeObserved,
    details: Sequence[DeviceDetails],
    host: HostDetails | None,
    circumstances: Circumstances,
) -> tuple[Finding, ...]:
    """Everything that is wrong on a node by what was asked, the worst first."""
    by_key = {(detail.npu_id, detail.chip_id): detail for detail in details}
    found: list[Finding] = []
    for reading in seen.devices:
        found += judge_device(
            reading,
            by_key.get(_key(reading)),
            circumstances,
            peers_hbm_mb=_largest_hbm(seen.devices),
            peers_mhz=_peers_clock(reading, seen.devices, by_key),
        )
        found += judge_processes(reading, seen.processes, circumstances)
    found += _missing(seen, host, circumstances)
    found += _fec_differs(details, circumstances)
    return tuple(sorted(found, key=lambda finding: -finding.level))


def _key(reading: DeviceReading) -> Key:
    return (reading.npu_id, reading.chip_id)


def _largest_hbm(devices: Sequence[DeviceReading]) -> int | None:
    return max((reading.hbm_total_mb for reading in devices if reading.hbm_total_mb), default=None)


def _peers_clock(
    reading: DeviceReading, devices: Sequence[DeviceReading], details: dict[Key, DeviceDetails]
) -> int | None:
    """The median clock of the others of this name under load; None for fewer than two: no crowd, no norm."""
    clocks = [
        detail.aicore_mhz
        for other in devices
        if other is not reading and other.name == reading.name and other.aicore_pct
        if (detail := details.get(_key(other))) is not None and detail.aicore_mhz
    ]
    return median_low(clocks) if len(clocks) > 1 else None


def _missing(seen: NodeObserved, host: HostDetails | None, circumstances: Circumstances) -> list[Finding]:
    gone = circumstances.expected_npus - len(seen.devices)
    if gone <= 0:
        return []
    findings = Findings(circumstances)
    why, fix = (
        "",
        _("`npudeck health --deep {node}` says whether the PCI bus has it; look at dmesg there").format(
            node=shlex.quote(seen.node)
        ),
    )
    if host is not None and host.pci_npus is not None:
        chips_a_card = max(1, len(seen.devices) // max(1, len({reading.npu_id for reading in seen.devices})))
        if host.pci_npus * chips_a_card >= circumstances.expected_npus:
            why = _("the PCI bus has all of them: the driver has lost what is missing")
            fix = _("look at dmesg; load the driver again or restart the machine")
        else:
            why = _("the PCI bus lacks it too")
            fix = _("power the machine off and on; if that does not help, have it repaired")
    names = _names_of_missing(seen.devices, circumstances.expected_npus)
    reasons = [_("not listed: {names}").format(names=names)] if names else []
    if why or not names:
        reasons.append(why or _("the inventory expects more than npu-smi lists"))
    findings.add(
        "missing_npu",
        Level.ALARM,
        ngettext("{n} NPU is missing", "{n} NPUs are missing", gone).format(n=gone)
        + _(", npu-smi lists {seen} of {expected}").format(
            seen=len(seen.devices), expected=circumstances.expected_npus
        ),
        "; ".join(reasons),
        fix,
    )
    return findings.found


def _names_of_missing(devices: Sequence[DeviceReading], expected: int) -> str:
    """Which ones, where the cards of the node are numbered from 0 without gaps; else "": nobody can know."""
    cards = {reading.npu_id for reading in devices}
    chips = max((reading.chip_id for reading in devices), default=0) + 1
    # an A3, which prints physical ids, has two dies a card, also where only one of each is listed
    chips = max(chips, 2 if any(reading.phy_id is not None for reading in devices) else 1)
    whole = range(expected // chips)
    if not cards or expected % chips or not cards <= set(whole):
        return ""
    there = {_key(reading) for reading in devices}
    gone = [(npu, chip) for npu in whole for chip in range(chips) if (npu, chip) not in there]
    if len(gone) != expected - len(there):
        return ""
    named = [
        _("NPU {npu}").format(npu=npu)
        if chips == 1
        else _("NPU {npu} chip {chip}").format(npu=npu, chip=chip)
        for npu, chip in gone
    ]
    return ", ".join(named[:8]) + (", …" if len(named) > 8 else "")


def _fec_differs(details: Sequence[DeviceDetails], circumstances: Circumstances) -> list[Finding]:
    """A port without error correction among ports that have it."""
    modes = Counter(detail.fec for detail in details if detail.fec is not None)
    if len(modes) < 2:
        return []
    usual = modes.most_common(1)[0][0]
    found: list[Finding] = []
    for detail in details:
        if detail.fec is not None and detail.fec != usual:
            findings = Findings(circumstances, detail.npu_id, detail.chip_id)
            findings.add(
                "fec_differs",
                Level.WARNING,
                _("FEC mode {mode!r}").format(mode=detail.fec),
                _("the others of this node have {mode!r}").format(mode=usual),
                _("set the same mode on both ends of the link"),
            )
            found += findings.found
    return found
