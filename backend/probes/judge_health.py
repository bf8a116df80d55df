"""What npu-smi says of a chip in a word, and the fault codes behind it: one finding for one fault."""

from __future__ import annotations

import shlex
from dataclasses import replace

from backend.events import DeviceDetails, DeviceReading, Health, Level
from backend.probes.circumstances import Findings
from backend.probes.code_history import times_allowed
from backend.probes.judge_fault_codes import OUT_OF_USE, CodeFinding, described, judge_codes
from backend.state.question_times import is_old
from backend.translation import _

_WORDS: dict[str, Level] = {
    Health.OK: Level.WELL,
    Health.WARNING: Level.WARNING,
    Health.ALARM: Level.ALARM,
    Health.CRITICAL: Level.CRITICAL,
}


def judge_health(findings: Findings, reading: DeviceReading, details: DeviceDetails | None) -> None:
    """The word and the codes; a code that explains the word takes its place, and is as grave at least."""
    words = [reading.health] + ([details.health] if details and details.health is not None else [])
    level = max(_WORDS.get(word, Level.UNKNOWN) for word in words)
    word = next(word for word in words if _WORDS.get(word, Level.UNKNOWN) is level)
    codes = (
        judge_codes(details.codes or (), details.code_texts, findings.circumstances.node) if details else ()
    )
    if level is Level.UNKNOWN:
        _add_unknown(findings, reading, word)
    elif level is not Level.WELL:
        if codes and _are_of_now(findings, reading, details):
            codes = _explaining(codes, level, word)
        else:
            _add_word(findings, reading, details, level, word)
    for code in (_if_it_came_again(findings, code) for code in codes):
        findings.add("fault_code", code.level, code.what, code.why, code.fix, code=code.code)


def _are_of_now(findings: Findings, reading: DeviceReading, details: DeviceDetails | None) -> bool:
    """Whether the codes belong to the word of the row: it came with them, and not long ago."""
    if details is None or details.health not in (None, reading.health):
        return False
    at = findings.circumstances.at
    return not is_old("health", at - details.answered.get("health", at))


def _if_it_came_again(findings: Findings, code: CodeFinding) -> CodeFinding:
    """One that has come as often within a day as MindCluster takes the NPU out of use for."""
    place = (findings.npu_id or 0, findings.chip_id or 0, code.code)
    count, most = findings.circumstances.came.get(place, 0), times_allowed(code.code)
    if most is None or count < most:
        return code
    why = _("it came {n} times within a day, MindCluster takes such an NPU out of use").format(n=count)
    fix = OUT_OF_USE.format(node=shlex.quote(findings.circumstances.node))
    return replace(code, level=Level.CRITICAL, why=f"{why}; {code.why}", fix=fix)


def _explaining(codes: tuple[CodeFinding, ...], level: Level, word: str) -> tuple[CodeFinding, ...]:
    worst = max(codes, key=lambda code: code.level)
    said = _("npu-smi reports {word}").format(word=word)
    return tuple(
        replace(code, level=max(code.level, level), why=f"{said}; {code.why}") if code is worst else code
        for code in codes
    )


def _add_word(
    findings: Findings, reading: DeviceReading, details: DeviceDetails | None, level: Level, word: str
) -> None:
    codes = details.codes if details else None
    ask = f"npu-smi info -t health -i {reading.npu_id} -c {reading.chip_id}"
    if codes:
        why = described(codes)
        fix = _("MindCluster goes on with an NPU that has only this; watch it: {command}").format(command=ask)
    elif codes is not None:
        why = _("npu-smi prints no fault code")
        fix = _("look at dmesg on the node, and for codes again: {command}").format(command=ask)
    else:
        why, fix = "", _("the fault codes say what to do: {command}").format(command=ask)
    findings.add("health_word", level, _("npu-smi reports {word}").format(word=word), why, fix)


def _add_unknown(findings: Findings, reading: DeviceReading, word: str) -> None:
    findings.add(
        "health_word",
        Level.UNKNOWN,
        _("npu-smi could not query this NPU"),
        _("the health word is {word!r}, or the whole row is zero").format(word=word[:40]),
        _("look at dmesg and at npu-smi info -t health -i {npu}").format(npu=reading.npu_id),
    )
