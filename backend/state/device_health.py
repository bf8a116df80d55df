"""Judge one reading: the printed health word, and the signs that the word does not show.

Sources: Huawei npu-smi manual (words); MindCluster faultdiag (105 degrees); the all-zero row of a failed
query, which prints OK.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.events import DeviceReading, Health, Level
from backend.translation import _

HOT_C = 85
TOO_HOT_C = 105


@dataclass(frozen=True, slots=True)
class Verdict:
    level: Level
    sentence: str


_WORDS: dict[str, Level] = {
    Health.OK: Level.WELL,
    Health.WARNING: Level.WARNING,
    Health.ALARM: Level.ALARM,
    Health.CRITICAL: Level.CRITICAL,
}


def judge(device: DeviceReading) -> Verdict:
    """The verdict on one chip; the sentence says what is wrong, or is empty when nothing is."""
    level = _WORDS.get(device.health)
    if level is None:
        return Verdict(Level.UNKNOWN, _("npu-smi could not query this NPU"))
    sentence = "" if level is Level.WELL else _("npu-smi reports {word}").format(word=device.health)
    if device.temp_c is not None and device.temp_c >= TOO_HOT_C and level <= Level.ALARM:
        return Verdict(
            Level.ALARM,
            _("{temp} °C, over the limit of {limit} °C").format(temp=device.temp_c, limit=TOO_HOT_C),
        )
    if device.temp_c is not None and device.temp_c >= HOT_C and level < Level.WARNING:
        return Verdict(
            Level.WARNING, _("{temp} °C, hotter than {limit} °C").format(temp=device.temp_c, limit=HOT_C)
        )
    return Verdict(level, sentence)
