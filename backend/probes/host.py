"""What probe.sh says of the machine: `[part]` lines, and behind each the text of a file or a tool.

Formats: proc(5), df -P (POSIX), `chronyc tracking`, `ntpq -pn`, `timedatectl show`, sysfs-bus-pci.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from backend.events import Disk
from backend.probes.npu_smi_layout import clean_lines
from backend.probes.version_files import read_version_file

MOST_DISKS = 200
MOST_DEVICES = 1024
_PART = re.compile(r"\[([a-z_]{1,20})\]")
_DISK = re.compile(r".{1,300}?\s+(\d{1,18})\s+(\d{1,18})\s+(-?\d{1,18})\s+(?:\d{1,3}%|-)\s+(/.{0,300})")
# mounted, and no place for data
_PSEUDO = (
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/boot",
    "/snap",
    "/etc",
    "/usr",
    "/var/lib/docker",
    "/var/lib/kubelet",
)
_CHRONY_OFFSET = re.compile(r"([0-9.]{1,20}) seconds (slow|fast) of NTP time")
_CHRONY_LEAP = re.compile(r"Leap status\s*:\s*(.+)")
# the peer that is followed has a `*`; offset is the last column but one, in ms
_NTPQ_PEER = re.compile(r"^\*\S+\s+.*\s(-?[0-9.]{1,20})\s+[0-9.]{1,20}$")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+~-]{0,60}")
_ACCELERATOR_CLASS = "0x1200"
_HUAWEI = "0x19e5"

Fields = dict[str, Any]


def read_host(text: str) -> Fields:
    """Fields of `HostDetails` that the part `host` fills. What cannot be read is left out; never raises."""
    fields: Fields = {}
    for name, lines in _parts(text).items():
        reader = _READERS.get(name)
        if reader:
            fields |= reader(lines)
    return fields


def read_versions(text: str) -> dict[str, str]:
    """driver, firmware, cann, torch_npu, docker and kernel, as far as the node has them. Never raises."""
    found: dict[str, str] = {}
    for name, lines in _parts(text).items():
        if name in ("driver", "firmware", "cann"):
            answer = read_version_file(lines)
            values = answer.values if answer else {}
            version = values.get("Version") or values.get("version") or values.get("package_version")
        else:
            version = next((line.strip() for line in lines if line.strip()), None)
        if isinstance(version, str) and _VERSION.fullmatch(version):
            found[name] = version
    return found


def cpu_times(text: str) -> tuple[int, int] | None:
    """Ticks since boot: busy and all of them (proc(5), first line of /proc/stat)."""
    for line in _parts(text).get("stat", ()):
        words = line.split()
        numbers = [int(word) for word in words[1:9] if word.isdecimal() and len(word) < 19]
        if words[:1] == ["cpu"] and len(numbers) >= 5:
            total = sum(numbers)
            return total - numbers[3] - numbers[4], total
    return None


def _parts(text: str) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    for line in clean_lines(text)[:20_000]:
        match = _PART.fullmatch(line)
        if match:
            current = parts[match.group(1)] = []
        else:
            current.append(line)
    return parts


def _loadavg(lines: Sequence[str]) -> Fields:
    match = re.match(r"([0-9.]{1,12})\s", " ".join(lines) + " ")
    return {"load_1m": _real(match.group(1))} if match else {}


def _cpus(lines: Sequence[str]) -> Fields:
    number = next((line.strip() for line in lines if line.strip().isdecimal()), "")
    return {"cpus": int(number)} if 0 < len(number) < 7 else {}


def _meminfo(lines: Sequence[str]) -> Fields:
    names = {"MemTotal": "memory_mb", "MemAvailable": "memory_free_mb"}
    found = {}
    for line in lines:
        match = re.match(r"(\w+):\s*(\d{1,15}) kB", line)
        if match and match.group(1) in names:
            found[names[match.group(1)]] = int(match.group(2)) // 1024
    return found


def _disks(lines: Sequence[str]) -> Fields:
    disks: list[Disk] = []
    shm: Disk | None = None
    for line in lines:
        match = _DISK.fullmatch(line)
        if match is None or len(disks) >= MOST_DISKS:
            continue
        size, _used, free, path = match.groups()
        disk = Disk(path, int(size) // 1024, max(0, int(free)) // 1024)
        if path == "/dev/shm":  # noqa: S108 -- a mount point that is looked at
            shm = disk
        elif disk.size_mb and not any(path == root or path.startswith(root + "/") for root in _PSEUDO):
            disks.append(disk)
    return {"disks": tuple(disks), "shm": shm}


def _chrony(lines: Sequence[str]) -> Fields:
    text = "\n".join(lines)
    offset, leap = _CHRONY_OFFSET.search(text), _CHRONY_LEAP.search(text)
    fields: Fields = {}
    if leap:
        fields["clock_synchronised"] = leap.group(1).strip() != "Not synchronised"
    value = _real(offset.group(1)) if offset else None
    if offset and value is not None and fields.get("clock_synchronised", True):
        fields["clock_offset_s"] = value if offset.group(2) == "fast" else -value
    return fields


def _ntpq(lines: Sequence[str]) -> Fields:
    for line in lines:
        match = _NTPQ_PEER.match(line)
        value = _real(match.group(1)) if match else None
        if value is not None:
            # ntpq says how far the source is ahead of us
            return {"clock_synchronised": True, "clock_offset_s": -value / 1000}
    return {"clock_synchronised": False} if any("refid" in line for line in lines) else {}


def _timedatectl(lines: Sequence[str]) -> Fields:
    for line in lines:
        if line.startswith("NTPSynchronized="):
            return {"clock_synchronised": line == "NTPSynchronized=yes"}
    return {}


def _pci(lines: Sequence[str]) -> Fields:
    devices = [line.split() for line in lines if line.strip()]
    if not devices:
        # a container may have no /sys/bus/pci: nothing is known then
        return {}
    count = sum(
        len(words) == 2 and words[0] == _HUAWEI and words[1].startswith(_ACCELERATOR_CLASS)
        for words in devices
    )
    return {"pci_npus": count}


def _davinci(lines: Sequence[str]) -> Fields:
    numbers = [
        match.group(1) for line in lines if (match := re.fullmatch(r"/dev/davinci(\d{1,4})", line.strip()))
    ]
    return {"davinci": tuple(sorted(map(int, numbers[:MOST_DEVICES])))}


def _boot(lines: Sequence[str]) -> Fields:
    text = "".join(lines).strip()
    return {"boot_id": text} if re.fullmatch(r"[0-9a-f-]{36}", text) else {}


def _zone(lines: Sequence[str]) -> Fields:
    match = re.fullmatch(r"([+-])(\d\d)(\d\d)", "".join(lines).strip())
    if match is None:
        return {}
    seconds = int(match.group(2)) * 3600 + int(match.group(3)) * 60
    return {"utc_offset_s": -seconds if match.group(1) == "-" else seconds}


def _real(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_READERS: dict[str, Callable[[Sequence[str]], Fields]] = {
    "loadavg": _loadavg,
    "cpus": _cpus,
    "meminfo": _meminfo,
    "disks": _disks,
    "chrony": _chrony,
    "ntpq": _ntpq,
    "timedatectl": _timedatectl,
    "pci": _pci,
    "davinci": _davinci,
    "boot": _boot,
    "zone": _zone,
}
