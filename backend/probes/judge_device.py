"""One chip: every rule over its row of `npu-smi info` and what the slower questions say. Pure.

Unknown is never well: a word that npu-smi does not have, a row of zeros, a question without an answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from backend.events import DeviceDetails, DeviceReading, Finding, Hccs, Level, ProcessReading
from backend.probes.circumstances import Circumstances, Findings
from backend.probes.judge_counters import judge_counters
from backend.probes.judge_health import judge_health
from backend.probes.judge_memory import judge_ecc, judge_hbm_size
from backend.probes.judge_network import judge_network
from backend.state.device_health import HOT_C, TOO_HOT_C
from backend.translation import _, ngettext

# npudeck's own choice: ordinary regulation stays within it
LEAST_CLOCK_SHARE = 0.95
FULL_LANES = 4
# MindCluster's knowledge base: above it a chip raises 80E00209; 80E0020B is the fatal temperature
HOT_HBM_C = 95
_HBM_HEAT_CODES = ("80E00209", "80E0020B")


def judge_device(
    reading: DeviceReading,
    details: DeviceDetails | None,
    circumstances: Circumstances,
    *,
    peers_hbm_mb: int | None = None,
    peers_mhz: int | None = None,
) -> tuple[Finding, ...]:
    """Everything that is wrong with a chip; empty only for one that is well by all that was asked.

    `peers_hbm_mb`: the largest HBM of the node's chips; `peers_mhz`: the median clock of the others under
    load.
    """
    findings = Findings(circumstances, reading.npu_id, reading.chip_id)
    judge_health(findings, reading, details)
    _judge_heat(findings, reading)
    _judge_hbm_heat(findings, details)
    judge_hbm_size(findings, reading, details, peers_hbm_mb)
    if details is not None:
        _judge_silence(findings, details)
        judge_ecc(findings, dict(details.ecc or {}), details.codes or ())
        _judge_clock(findings, reading, details, peers_mhz)
        if details.hccs is not None:
            _judge_hccs(findings, details.hccs)
        judge_counters(findings, details)
        judge_network(findings, details)
    return tuple(findings.found)


def judge_processes(
    reading: DeviceReading, processes: Iterable[ProcessReading], circumstances: Circumstances
) -> tuple[Finding, ...]:
    """Processes on a leased card that are not of the run that holds it. At most eight a chip are printed."""
    own = circumstances.leased.get(reading.npu_id)
    if own is None:
        return ()
    strangers = [
        process
        for process in processes
        if process.npu_id == reading.npu_id
        and process.chip_id in (None, reading.chip_id)
        and process.pid not in own
        and process.container_pid not in own
    ]
    if not strangers:
        return ()
    findings = Findings(circumstances, reading.npu_id, reading.chip_id)
    shown = ", ".join(f"{process.name or '?'}:{process.pid}" for process in strangers[:3])
    more = ", …" if len(strangers) > 3 else ""
    what = ngettext("{n} foreign process: {names}", "{n} foreign processes: {names}", len(strangers))
    findings.add(
        "foreign_process",
        Level.WARNING,
        what.format(n=len(strangers), names=shown + more),
        _("a run holds this NPU, and this is not a part of it"),
        _("find out whose it is before it is ended: ps -fp {pids}").format(
            pids=",".join(str(process.pid) for process in strangers[:3])
        ),
    )
    return tuple(findings.found)


def _judge_heat(findings: Findings, reading: DeviceReading) -> None:
    temp = reading.temp_c
    if temp is None or temp < HOT_C:
        return
    limit, level = (TOO_HOT_C, Level.ALARM) if temp >= TOO_HOT_C else (HOT_C, Level.WARNING)
    cool = _("check fans, air flow and the room's temperature")
    findings.add(
        "heat",
        level,
        _("the chip is at {temp} °C").format(temp=temp),
        _("{limit} °C or more").format(limit=limit),
        cool if level is Level.WARNING else _("end the job at a checkpoint; {cool}").format(cool=cool),
    )


def _judge_hbm_heat(findings: Findings, details: DeviceDetails | None) -> None:
    temp = details.hbm_temp_c if details else None
    codes = (details.codes if details else None) or ()
    # where the chip says it itself, with a code, nothing is said twice
    if temp is None or temp <= HOT_HBM_C or any(code in codes for code in _HBM_HEAT_CODES):
        return
    findings.add(
        "hbm_heat",
        Level.WARNING,
        _("the HBM is at {temp} °C").format(temp=temp),
        _("its own alarm comes above {limit} °C").format(limit=HOT_HBM_C),
        _("check fans, air flow and the room's temperature"),
    )


def _judge_silence(findings: Findings, details: DeviceDetails) -> None:
    if details.failed:
        kinds = ", ".join(sorted(details.failed))
        findings.add(
            "no_answer",
            Level.UNKNOWN,
            _("no answer about: {kinds}").format(kinds=kinds),
            "; ".join(list(dict.fromkeys(details.failed.values()))[:3]),
            _("look at dmesg on the node; a chip that hangs answers some questions and not others"),
        )


def _judge_clock(
    findings: Findings, reading: DeviceReading, details: DeviceDetails, peers_mhz: int | None
) -> None:
    load = reading.aicore_pct or details.aicore_pct or 0
    # an idle chip clocks down, and that is as it should be
    if not load or not details.aicore_mhz or not peers_mhz:
        return
    if details.aicore_mhz < LEAST_CLOCK_SHARE * peers_mhz:
        findings.add(
            "slow_clock",
            Level.WARNING,
            _("AI cores at {mhz} MHz").format(mhz=details.aicore_mhz),
            _("the other chips under load run at {mhz} MHz").format(mhz=peers_mhz),
            _("look for heat and for a power limit; one slow chip slows the whole job"),
        )


def _judge_hccs(findings: Findings, hccs: Hccs) -> None:
    reasons = []
    if any(mode != FULL_LANES for mode in hccs.lane_modes):
        reasons.append(_("lanes in use: {modes}").format(modes=" ".join(map(str, hccs.lane_modes))))
    if hccs.first_error_lane:
        reasons.append(_("first error on lane {lane}").format(lane=hccs.first_error_lane))
    if hccs.healthy is False or reasons:
        findings.add(
            "hccs",
            Level.ALARM if hccs.healthy is False else Level.WARNING,
            _("the links to the other NPUs of the machine are not whole"),
            "; ".join(reasons) or _("npu-smi says NOK"),
            _("reset the machine's NPUs when no job runs; if it stays, have the machine repaired"),
        )
