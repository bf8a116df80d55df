"""What the fault codes of a chip mean for who wants to train on it.

Health is the worst active alarm of one component and no verdict on use: boards exist that always show Alarm.
The code decides (MindCluster's handling levels; backend/catalog/fault_codes.tsv).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from backend.catalog.fault_code import FaultCode, Handling
from backend.catalog.fault_code_files import find_fault_code
from backend.events import Level
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
# MindCluster leaves these alone, but they announce something; what to do is from its knowledge base
_SIGNS: dict[str, tuple[Level, str, str]] = {
    "80E18401": (
        Level.WARNING,
        _("at 64 the HBM is to be replaced"),
        _("end the job at a checkpoint and start it again; if the code stays, reset the NPU"),
    ),
    "80E00209": (
        Level.WARNING,
        _("the HBM is hotter than 95 °C"),
        _("check fans, air flow and the room's temperature"),
    ),
    "80E21007": (
        Level.WARNING,
        _("MindCluster goes on with such an NPU"),
        _("nothing now; if it comes again, have the power supply looked at"),
    ),
}
# `-t current-fault-event` of a 950 (Huawei npu-smi reference): warning, minor, major, critical
_SEVERITY = re.compile(r"\bseverity\s*=\s*([0-3])\b")
_SEVERITIES = (Level.WARNING, Level.WARNING, Level.ALARM, Level.CRITICAL)
OUT_OF_USE = _("take it out of use: npudeck fleet drain {node}; have it repaired or replaced")
_ADVICE = {
    Handling.SUB_HEALTH: _("watch the speed of its job; if that falls, move the job to another node"),
    Handling.RESTART_REQUEST: _(
        "read the job's own log, mostly its software did it; then start the job again"
    ),
    Handling.RESTART_BUSINESS: _("start the job again from its last checkpoint"),
    Handling.FREE_RESTART_NPU: _("reset the NPU when no job uses it"),
    Handling.RESTART_NPU: _("stop the job, reset the NPU, start again; if it comes back, have it repaired"),
    Handling.PRE_SEPARATE_NPU: _("start nothing new there: npudeck fleet drain {node}; have it looked at"),
    Handling.SEPARATE_NPU: OUT_OF_USE,
}


@dataclass(frozen=True, slots=True)
class CodeFinding:
    """What is to be said of one code."""

    code: str
    level: Level
    what: str
    why: str
    fix: str


def level_of(code: str, entry: FaultCode | None, said: str = "") -> Level:
    """The published handling level's; else the severity that a 950 says itself; else WARNING."""
    if code in _SIGNS:
        return _SIGNS[code][0]
    if entry is not None and entry.level is not None:
        return LEVELS[entry.level]
    severity = _SEVERITY.search(said)
    return _SEVERITIES[int(severity.group(1))] if severity else Level.WARNING


def judge_codes(codes: tuple[str, ...], texts: tuple[str, ...], node: str) -> tuple[CodeFinding, ...]:
    """One for each code that matters; `texts`: what npu-smi itself says of them, in their order."""
    said = texts if len(texts) == len(codes) else ("",) * len(codes)
    judged = (_judge_code(code, text, node) for code, text in dict(zip(codes, said, strict=True)).items())
    return tuple(code for code in judged if code.level is not Level.WELL)


def _judge_code(code: str, said: str, node: str) -> CodeFinding:
    entry = find_fault_code(code)
    meaning = (entry.meaning if entry else "") or said or _("no published meaning")
    handling = entry.level if entry else None
    if handling is None:
        why = _("no handling level is published for this code")
        fix = _(
            "look the code up in Huawei's fault code reference; send it with the node's logs to its support"
        )
    else:
        why = _("MindCluster's level for it is {level}").format(level=handling.value)
        fix = _ADVICE.get(handling, "").format(node=shlex.quote(node))
    if code in _SIGNS:
        _level, why, fix = _SIGNS[code]
    what = _("fault {code}: {meaning}").format(code=code, meaning=meaning)
    return CodeFinding(code, level_of(code, entry, said), what, why, fix)


def described(codes: tuple[str, ...]) -> str:
    """All codes on one line, for the reason behind a health word; empty without codes."""
    entries = [(code, find_fault_code(code)) for code in codes]
    return ", ".join(
        f"{code} ({entry.meaning})" if entry and entry.meaning else code for code, entry in entries
    )
