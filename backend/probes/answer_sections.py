"""Where one answer ends and the next begins, in a text that may hold many: commands, their echoes, noise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_SECTIONS = 1024
# perhaps behind a prompt
_TOOL = re.compile(
    r"^(?:.{0,80}?[#$>]\s*)?(?:sudo\s+)?(?:/\S*/)?(npu-smi|hccn_tool|cat|dmesg|lspci)(?:\s+(.*))?$"
)
_DEVICE_FLAG = re.compile(r"(?:^|\s)-i\s+(\d{1,5})(?=\s|$)")
_CHIP_FLAG = re.compile(r"(?:^|\s)-c\s+(\d{1,5})(?=\s|$)")
_TYPE_FLAG = re.compile(r"(?:^|\s)-t\s+([a-z][a-z0-9-]{1,30})(?=\s|$)")
_HCCN_FLAG = re.compile(r"(?:^|\s)-([a-z][a-z0-9_]{1,30})(?=\s|$)")
_PREFIX = re.compile(r"^\s*\[(?:devid|device)\s+(\d{1,5})\]")

# The line that begins an answer of hccn_tool, and the answer's kind. Sources: hccn_tool of the open-source
# driver (hicann/driver, network/hccn) for the 910 and the 950; MindCluster's guide for collecting logs.
_OPENERS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("link", r"link status\s*:"),
        ("net_health", r"net health status\s*:"),
        ("ip", r"ipaddr\s*:|get ipconf failed"),
        ("gateway", r"default gateway\s*:|get gateway failed"),
        ("netdetect", r"netdetect address\s*:|get netdetect"),
        ("optical", r"optical info\s*:|present\s*:|control link unreachable"),
        ("stat", r"packet statistics\s*:"),
        ("link_stat", r"current time\s*:|link (?:up|down) count\s*:|link change records"),
        ("tls", r"(?:dev_id:\d+,|device \d+,)?\s*tls switch\["),
        ("fec", r"fec mode\s*:|no fec mode"),
        ("lldp", r"[a-z][a-z ]* tlv$"),
        ("mac", r"mac addr\w*\s*:"),
        ("vnic", r"vnic \w+"),
        ("ping", r"device \d+ ping |\d+ packets transmitted"),
        ("hw_stats", r"pd_alloc\s*:"),
        ("bit_err", r"-+ *\w*-?bit_err *-+"),
        ("port_info", r"=+ ub port link info =+"),
        ("down_data", r"down data of udie"),
    )
)
# These answers have several lines that are in the table above; only these begin another one of the same kind.
_FIRST_LINES = {
    "optical": "optical info",
    "stat": "packet statistics",
    "link_stat": "current time",
    "lldp": "chassis id tlv",
    "vnic": "vnic link status",
    "ping": "device ",
    "down_data": "",
}


@dataclass(slots=True)
class Section:
    """Lines of one answer. `kind` is empty when only they can tell; ids come from an echo or a prefix."""

    kind: str = ""
    device: int | None = None
    chip: int | None = None
    lines: list[str] = field(default_factory=list)
    echoed: bool = False
    hccn: bool = False


def sections_of(lines: Sequence[str]) -> list[Section]:
    """Cut cleaned lines into answers; those before the first known beginning are a section without a kind."""
    sections = [Section()]
    for line in lines:
        current = sections[-1]
        echo = _echo(line)
        if echo is not None:
            sections.append(echo)
        else:
            prefix = _PREFIX.match(line)
            bare = line[prefix.end() :] if prefix else line
            kind = _opened_by(bare.strip())
            device = int(prefix.group(1)) if prefix else None
            if kind and _begins_another(current, kind, bare.strip(), device):
                sections.append(Section(kind, hccn=True))
            elif kind and not current.kind:
                current.kind, current.hccn = kind, True
            if sections[-1].device is None:
                sections[-1].device = device
            sections[-1].lines.append(bare)
        if len(sections) > MOST_SECTIONS:
            break
    return [section for section in sections if section.kind or any(line.strip() for line in section.lines)]


def _begins_another(current: Section, kind: str, line: str, device: int | None) -> bool:
    empty = not any(text.strip() for text in current.lines)
    if current.echoed and empty:
        return False
    if kind != current.kind or (device is not None and device != current.device):
        # without a kind there was only noise so far, such as a prompt: it is no part of the answer
        return True
    first = _FIRST_LINES.get(kind)
    return first is None or (first != "" and line.lower().startswith(first))


def _opened_by(line: str) -> str:
    return next((kind for kind, pattern in _OPENERS if pattern.match(line)), "")


def _echo(line: str) -> Section | None:
    """A command that was typed or echoed before its answer."""
    match = _TOOL.match(line.strip()) if len(line) <= 300 else None
    if match is None or ":" in (match.group(2) or ""):
        return None
    tool, flags = match.group(1), match.group(2) or ""
    device, chip, kind = _DEVICE_FLAG.search(flags), _CHIP_FLAG.search(flags), None
    if tool == "hccn_tool":
        words = [word for word in _HCCN_FLAG.findall(flags) if word not in ("s", "g", "i", "u", "p")]
        return Section(words[0] if words else "", _number(device), echoed=True, hccn=True)
    if tool == "npu-smi":
        kind = _TYPE_FLAG.search(flags)
    return Section(kind.group(1) if kind else "", _number(device), _number(chip), echoed=True)


def _number(match: re.Match[str] | None) -> int | None:
    return int(match.group(1)) if match else None
