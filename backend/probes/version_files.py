"""The driver's, the firmware's and CANN's own files: `name=value` a line, the kind told by the names in it.

Formats: version.info of driver and firmware, ascend_toolkit_install.info, /etc/ascend_install.info, CANN's
version.cfg, /etc/hccn.conf, as MindCluster's fault diagnosis collects them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backend.probes.answer import Answer, Value

_LINE = re.compile(r"\s*([A-Za-z][A-Za-z0-9_.-]{0,99})=(.{0,1000})")
_RANGE = re.compile(r"\[([^\]]{0,100})\]")
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("driver_version", re.compile(r"ascendhal_version|compatible_version_fw|tsfw_version")),
    ("firmware_version", re.compile(r"firmware_version|compatible_version_drv")),
    ("ascend_install", re.compile(r"\w+_Install_Type|\w+_Install_Path_Param")),
    ("hccn_conf", re.compile(r"(?:address|netmask|netdetect|gateway|send_arp_status)_\d+")),
    ("cann_version", re.compile(r"\w+_(?:running|installed|upgrade)_version")),
    ("toolkit_install", re.compile(r"package_name|innerversion")),
    ("version_file", re.compile(r"version|package_version", re.IGNORECASE)),
)


def read_version_file(lines: Sequence[str]) -> Answer | None:
    """None when `lines` are something else. Versions are text; a list of ranges becomes a tuple of them."""
    values: dict[str, Value] = {}
    others = 0
    for line in lines:
        match = _LINE.fullmatch(line)
        if match:
            values[match.group(1)] = _value(match.group(2).strip())
        elif line.strip() and line.strip() != "..." and not line.lstrip().startswith(("#", "[")):
            others += 1
    if not values or others > len(values):
        return None
    kind = next((kind for kind, pattern in _KINDS if any(map(pattern.fullmatch, values))), "")
    return Answer(kind, values=values) if kind else None


def _value(text: str) -> Value:
    ranges = _RANGE.findall(text)
    if ranges and text.startswith("["):
        return tuple(ranges)
    return text or None
