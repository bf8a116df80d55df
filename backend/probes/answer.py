"""One answer of a tool on a node, read: what every kind but `npu-smi info`, `-m`, `-l` and topo becomes.

`values` holds what the tool prints, under the names that it prints; a number with a unit becomes the number,
and the unit goes to `extra["units"]`. What says nothing (NA, `-`, not supported) is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Value = int | float | str | tuple["Value", ...] | None

NOTHING = frozenset({"", "NA", "N/A", "-", "not supported", "unsupported"})
MOST_VALUES = 2000
LONGEST_NAME = 100

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,19})")
_NUMBER = re.compile(r"-?[0-9]{1,12}\.[0-9]{1,9}")
_WITH_UNIT = re.compile(r"(-?[0-9]{1,12}(?:\.[0-9]{1,9})?)\s*(C|mW|mV|mA|dBm|dB|V|A|W|MHz|ms|nm|Mb/s|MB|%)")
# what looks like a number here is a name: a serial number keeps its zeros
_NAMES = re.compile(r"serial|version|\bname|code|product|model|manufact|addr|vendor|\bdie id|date|mask")


@dataclass(frozen=True, slots=True)
class Answer:
    """`kind`: the word that asks for it (health, ecc, link_stat …); ids are None where nothing prints them.

    For hccn_tool `npu_id` is the chip's physical id. `extra`: histories, rows, units, errors, by name.
    """

    kind: str
    npu_id: int | None = None
    chip_id: int | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "npu_id": self.npu_id,
            "chip_id": self.chip_id,
            "values": dict(self.values),
            "extra": dict(self.extra),
        }


def to_json(answers: tuple[Answer, ...]) -> dict[str, Any]:
    """The first answer; `extra["more"]` has the others (second chips, the controller, further commands)."""
    first = answers[0].to_json()
    if len(answers) > 1:
        first["extra"]["more"] = [answer.to_json() for answer in answers[1:]]
    return first


def value_of(name: str, text: str) -> tuple[Value, str]:
    """What `text` says under this name, and its unit, or an empty one."""
    text = text.strip()
    if text in NOTHING:
        return None, ""
    if text.startswith("[") and text.endswith("]") and "," not in text:
        return tuple(value_of(name, word)[0] for word in text[1:-1].split()), ""
    if _NAMES.search(name.lower()):
        return text, ""
    if _WHOLE.fullmatch(text):
        return int(text), ""
    if _NUMBER.fullmatch(text):
        return float(text), ""
    match = _WITH_UNIT.fullmatch(text)
    if match:
        number = match.group(1)
        return (float(number) if "." in number else int(number)), match.group(2)
    return text, ""


def whole(value: Value) -> int | None:
    """The value if it is a whole number, also in hex (`0x1f`); otherwise None."""
    if isinstance(value, int):
        return value
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{1,16}", value):
        return int(value, 16)
    return None


def pair_of(line: str) -> tuple[str, str] | None:
    """`name : value` at the first colon (a value may hold more); an empty name continues the last one."""
    name, colon, value = line.partition(":")
    name = " ".join(name.split())
    return (name, value.strip()) if colon and len(name) <= LONGEST_NAME else None


class Collected:
    """Pairs on their way into an answer. More than MOST_VALUES are dropped: no tool prints that many."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.units: dict[str, str] = {}

    def add(self, name: str, text: str) -> None:
        if len(self.values) >= MOST_VALUES:
            return
        self.values[name], unit = value_of(name, text)
        if unit:
            self.units[name] = unit

    def extra(self, **more: Any) -> dict[str, Any]:
        """Units and whatever else is there; what is empty is left out."""
        kept = {name: value for name, value in more.items() if value}
        return ({"units": self.units} if self.units else {}) | kept
