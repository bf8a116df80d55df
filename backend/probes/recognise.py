"""What a text of npu-smi, hccn_tool or a version file is, told by the text itself, and what it says.

Nothing here raises, whatever the bytes: a text of no known kind is an answer of the kind `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from backend.probes.answer import Answer
from backend.probes.answer_sections import Section, sections_of
from backend.probes.hccn import read_hccn, read_port_table
from backend.probes.npu_smi_info import NpuSmiInfo, parse
from backend.probes.npu_smi_layout import (
    clean_lines,
    device_columns,
    is_device_header,
    is_separator,
    process_columns,
)
from backend.probes.npu_smi_tables import read_list, read_mapping, read_topology, read_watch
from backend.probes.npu_smi_values import kind_of, read_values
from backend.probes.version_files import read_version_file

MOST_LINES = 50_000
_BANNER = re.compile(r"\|\s*npu-smi\s+\S+\s+Version\s*:", re.IGNORECASE)
_DCMI = re.compile(r"dcmi \w+ initiali[sz]ed? failed|ret is -\d{4,5}")
_UNSUPPORTED = re.compile(r"This device does not support (?:querying )?([A-Za-z0-9 _-]{1,60}?)\.?$")
_ERROR = re.compile(
    r"^(?:Invalid \w+|Error parameter|Failed to |Usage\s*: npu-smi|.*failed\. err is|.*Command execute failed"
    r"|The device is not exist)"
)
_KERNEL = re.compile(r"^(?:\[ *\d+\.\d+\] ?)?\[ascend\]|\b(?:devdrv|mailbox|exception_id)\b")
_PCI = re.compile(r"^[0-9a-f]{2,4}(?::[0-9a-f]{2})?:[0-9a-f]{2}\.[0-9a-f] .*(?:accel|Huawei)", re.IGNORECASE)

# what `npu-smi info -l` prints of a card
_OF_LIST = frozenset({"Total Count", "Card Count", "Chip Count", "Product Name", "Serial Number"})

Document = NpuSmiInfo | dict[str, Any] | tuple[Answer, ...]


def read(text: str) -> Document:
    """The table of `npu-smi info`, the JSON of `-m`, `-l` or topo, or at least one answer of another kind."""
    lines = clean_lines(text)[:MOST_LINES]
    if any(_BANNER.search(line) or is_device_header(line) or _is_table(line) for line in lines):
        return parse(text)
    table = read_mapping(lines) or read_list(lines) or read_topology(lines)
    if table is not None:
        return table
    answers = read_answers(text)
    if answers[0].kind != "unknown":
        return answers
    info = parse(text)
    # an excerpt without a header; or the tool's own failure, or silence: a table without a card
    if info.devices or info.processes or not text.strip() or any(_DCMI.search(line) for line in lines):
        return info
    return answers


def known(document: Document) -> bool:
    """Whether a tool said it. Silence, texts of no known kind and a table cut before its first card are not;
    a refusal of the tool is."""
    if isinstance(document, NpuSmiInfo):
        if document.cut and not document.devices and not document.processes:
            return False
        return bool(document.tool_version or document.devices or document.processes)
    return isinstance(document, dict) or any(answer.kind != "unknown" for answer in document)


def beside(text: str) -> tuple[Answer, ...]:
    """What a text that `read` calls a table, a mapping, a list or a topology says besides, as bundles do."""
    lines = clean_lines(text)[:MOST_LINES]
    inside = False
    others = []
    for line in lines:
        if _BANNER.search(line) or is_device_header(line) or _is_table(line):
            inside = True
        elif "|" not in line and not is_separator(line) and line.strip():
            inside = False
        if not inside:
            others.append(line)
    answers = [answer for section in sections_of(others) for answer in _read_section(section)]
    return tuple(
        answer
        for answer in answers
        if answer.kind != "unknown" and not _OF_LIST >= set(answer.values) > set()
    )


def _is_table(line: str) -> bool:
    return device_columns(line) is not None or process_columns(line) is not None


def read_answers(text: str) -> tuple[Answer, ...]:
    """At least one answer: for kinds other than `info`, `-m`, `-l` and topo. Never raises."""
    lines = clean_lines(text)[:MOST_LINES]
    watch = read_watch(lines)
    if watch is not None:
        return (watch,)
    answers = [answer for section in sections_of(lines) for answer in _read_section(section)]
    known = [answer for answer in answers if answer.kind != "unknown"]
    return tuple(known or answers[:1]) or (_unknown(lines),)


def _read_section(section: Section) -> tuple[Answer, ...]:
    refused = _refusal(section)
    if refused is not None:
        return (refused,)
    if section.hccn:
        return (read_hccn(section),)
    special = read_port_table(section) or read_version_file(section.lines) or _log(section.lines)
    if special is not None:
        return (special,)
    answers = read_values(section)
    if section.kind and not answers:
        return (Answer(section.kind, section.device, section.chip, {}, {"lines": _some(section.lines)}),)
    return answers or (_unknown(section.lines),)


def _refusal(section: Section) -> Answer | None:
    """A short text in which the tool says that it will not or cannot answer."""
    lines = [line.strip() for line in section.lines if line.strip()]
    for line in lines[:20]:
        unsupported = _UNSUPPORTED.search(line)
        if unsupported:
            values = {"query": unsupported.group(1).strip()}
            return Answer("unsupported", section.device, section.chip, values)
    if lines and _ERROR.match(lines[0]) and not kind_of({line.partition(":")[0].strip() for line in lines}):
        extra = {"query": section.kind} if section.kind else {}
        return Answer("error", section.device, section.chip, {"message": lines[0][:400]}, extra)
    return None


def _log(lines: Sequence[str]) -> Answer | None:
    for kind, pattern in (("dmesg", _KERNEL), ("lspci", _PCI)):
        found = [line for line in lines if pattern.search(line)]
        if found and 2 * len(found) >= sum(bool(line.strip()) for line in lines):
            return Answer(kind, values={"count": len(found)}, extra={"lines": _some(found)})
    return None


def _unknown(lines: Sequence[str]) -> Answer:
    kept = _some(lines)
    return Answer("unknown", extra={"lines": kept} if kept else {})


def _some(lines: Sequence[str]) -> list[str]:
    return [line.strip()[:400] for line in lines if line.strip()][:200]
