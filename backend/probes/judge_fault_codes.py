"""What the fault codes of a chip mean for who wants to train on it.

Health is the worst active alarm of one component and no verdict on use: boards exist that always show Alarm.
The code decides (MindCluster's handling levels; backend/catalog/fault_codes.tsv).
"""

from __future__ import annotations

import re

from backend.catalog.fault_code import FaultCode, Handling
from backend.catalog.fault_code_files import find_fault_code
from backend.events import Level
from backend.probes.circumstances import Findings
from backend.translation import _

LEVELS: dict[Handling, Level] = {
    Handling.NOT_HANDLE: Level.WELL,
    Handling.SUB_HEALTH: Level.WARNING,
    Handling.RESTART_REQUEST: Level.WARNING,
    Handling.RESTART_BUSINESS: Level.ALARM,
    Handling.FREE_RESTART_NPU: Level.ALARM,
    Handling.RESTART_NPU: Level.ALARM,
    Handling.PRE_SEPARATE_NPU: Level.CRITICAL,
    Handling.SEPARATE_NPU: Level.CRITICAL,
}
# MindCluster leaves these alone, but they announce something: 16 isolated rows, overcurrent of the supply
_SIGNS = {"80E18401": Level.WARNING, "80E21007": Level.WARNING}
# `-t current-fault-event` of a 950 (Huawei npu-smi reference): warning, minor, major, critical
_SEVERITY = re.compile(r"\bseverity\s*=\s*([0-3])\b")
_SEVERITIES = (Level.WARNING, Level.WARNING, Level.ALARM, Level.CRITICAL)
_ADVICE = {
    Handling.SUB_HEALTH: _("watch it; it may slow a job down"),
    Handling.RESTART_REQUEST: _("repeat the request; look at the job's own log first"),
    Handling.RESTART_BUSINESS: _("start the job again from its last checkpoint"),
    Handling.FREE_RESTART_NPU: _("reset the NPU when no job uses it"),
    Handling.RESTART_NPU: _("stop the job, reset the NPU, start again; if it comes back, have it repaired"),
    Handling.PRE_SEPARATE_NPU: _("start no new job on it; have it looked at"),
    Handling.SEPARATE_NPU: _("take it out of use; have it repaired or replaced"),
}


def level_of(code: str, entry: FaultCode | None, said: str = "") -> Level:
    """The published handling level's; else the severity that a 950 says itself; else WARNING."""
    if code in _SIGNS:
        return _SIGNS[code]
    if entry is not None and entry.level is not None:
        return LEVELS[entry.level]
    severity = _SEVERITY.search(said)
    return _SEVERITIES[int(severity.group(1))] if severity else Level.WARNING


def judge_codes(findings: Findings, codes: tuple[str, ...], texts: tuple[str, ...]) -> None:
    """One finding a code that matters; `texts`: what npu-smi itself says of them, in their order."""
    for index, code in enumerate(codes):
        entry = find_fault_code(code)
        said = texts[index] if len(texts) == len(codes) else ""
        level = level_of(code, entry, said)
        if level is Level.WELL:
            continue
        meaning = (entry.meaning if entry else "") or said or _("no published meaning")
        handling = entry.level if entry else None
        if handling is None:
            why = _("no handling level is published for this code")
        else:
            why = _("MindCluster's level for it is {level}").format(level=handling.value)
        fix = _ADVICE.get(handling) if handling else None
        findings.add(
            "fault_code",
            level,
            _("fault {code}: {meaning}").format(code=code, meaning=meaning),
            why,
            fix or _("ask Huawei's support about the code"),
            code=code,
        )


def described(codes: tuple[str, ...]) -> str:
    """All codes on one line, for the reason behind a health word; empty without codes."""
    entries = [(code, find_fault_code(code)) for code in codes]
    return ", ".join(
        f"{code} ({entry.meaning})" if entry and entry.meaning else code for code, entry in entries
    )
