"""How a node is asked for its health, and what its answer means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from backend.events import NodeNotReached, NodeObserved
from backend.probes.npu_smi_info import parse
from backend.translation import _

MAX_FRAME_BYTES = 1 << 19  # the largest published table is 20 kB; probe.sh cuts at 256 KiB
_HEADER = re.compile(rb"npudeck-probe v=1 rc=(\d{1,5}) n=(\d{1,12})\r?\n")
_DETAIL = re.compile(
    rb"npudeck-probe v=2 kind=([a-z_-]{1,30}) npu=([0-9.]{1,12}|-) chip=(\d{1,5}|-)"
    rb" phy=(\d{1,5}|-|) rc=(\d{1,5}) n=(\d{1,12})\r?\n"
)
# a card that is not well by its row: its codes say why
CODES: Mapping[str, int] = MappingProxyType({"health": 60})
_NOT_FOUND = 127
_TIMED_OUT = 124
_CUT = 141
# exit status is the return code's low byte (npu-smi source: `exit(rc)`)
_MEANINGS = {
    187: _("DCMI error -8005: the driver's devices are not visible here, or not to this user"),
    172: _("DCMI error -8020: another container holds the devices"),
}
_CODE_SAID = {"-8005": 187, "-8020": 172}
# the whole command fails where one card does not answer (npu-smi source)
_ONE_HIDES_ALL = re.compile(
    r"Failed to (?:get (?:card number|device type)|query (?:card|chip))|npu_get_card_device_id failed"
)


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """`exit_code` of the tool; `size` of what it said, in bytes.

    `kind` is "info" for the table of all cards. "pause" says nothing but that the next answer comes `pause_s`
    later. `chip_id` is None where the layout has none (950), `phy_id` is the chip's number for hccn_tool.
    """

    exit_code: int
    size: int
    kind: str = "info"
    npu_id: int | None = None
    chip_id: int | None = None
    phy_id: int | None = None
    pause_s: float = 0.0


def probe_argv(
    script: str, interval_s: float, count: int, kinds: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """probe.sh, not installed: its text is an argument of `sh -c`. `count` 0 means until stdin ends.

    `kinds`: what is asked for beside the table of all cards, and how often (seconds).
    """
    asked = tuple(f"{kind}={every}" for kind, every in (kinds or {}).items())
    return ("sh", "-c", script, "probe.sh", f"{interval_s:g}", str(count), *asked)


def parse_header(line: bytes) -> FrameHeader | None:
    """None for anything else, such as a greeting that a login script prints."""
    match = _HEADER.fullmatch(line)
    header = FrameHeader(int(match[1]), int(match[2])) if match else _detail_header(line)
    return None if header is None or header.size > MAX_FRAME_BYTES else header


def _detail_header(line: bytes) -> FrameHeader | None:
    match = _DETAIL.fullmatch(line)
    if match is None:
        return None
    kind, npu, chip, phy, code, size = (part.decode("ascii") for part in match.groups())
    if kind == "pause":
        return FrameHeader(int(code), int(size), kind, pause_s=_seconds(npu))
    return FrameHeader(int(code), int(size), kind, _number(npu), _number(chip), _number(phy))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def parse_frames(data: bytes) -> Iterator[tuple[FrameHeader, str]]:
    """All whole frames in `data`, whatever stands between them."""
    position = 0
    while (start := data.find(b"npudeck-probe ", position)) >= 0:
        end = data.find(b"\n", start, start + 300) + 1
        header = parse_header(data[start:end]) if end else None
        if header is None:
            position = start + 1
        elif end + header.size > len(data):
            return
        else:
            position = end + header.size
            yield header, data[end:position].decode("utf-8", "replace")


def parse_frame(data: bytes) -> tuple[FrameHeader, str] | None:
    """The first table of all cards in `data`, whatever stands before it; None when there is no whole one."""
    return next((frame for frame in parse_frames(data) if frame[0].kind == "info"), None)


def judge_answer(
    node: str, at: float, took_ms: float, exit_code: int, said: str
) -> NodeObserved | NodeNotReached:
    """An observation only if npu-smi itself said so; else the reason why nothing is known.

    A table without devices is an answer; no table is none.
    """
    if exit_code != 0:
        return NodeNotReached(node, at, _failure(exit_code, said), answered=True)
    info = parse(said)
    if not info.devices and info.tool_version is None:
        reason = _("npu-smi printed no table: {line}").format(line=_meaning(said) or _last_line(said))
        return NodeNotReached(node, at, reason, answered=True)
    return NodeObserved(node, at, info.tool_version, info.devices, info.processes, took_ms)


def _failure(exit_code: int, said: str) -> str:
    if exit_code == _NOT_FOUND:
        # 127 is also what the loader says when one of the driver's libraries is missing
        missing = "error while loading shared libraries" in said
        return _("npu-smi: {line}").format(line=_last_line(said)) if missing else _("npu-smi: not found")
    if exit_code == _TIMED_OUT:
        return _("npu-smi did not answer within 10 s")
    if exit_code == _CUT:
        return _("npu-smi printed more than 256 KiB: {line}").format(line=_last_line(said))
    if exit_code not in _MEANINGS and not said.strip():
        return _("npu-smi failed with exit code {code} and said nothing").format(code=exit_code)
    meaning = _MEANINGS.get(exit_code) or _meaning(said) or _last_line(said)
    return _("npu-smi failed with exit code {code}: {meaning}").format(code=exit_code, meaning=meaning)


def _meaning(said: str) -> str:
    """What npu-smi's own words mean, where they alone do not tell; else ""."""
    code = re.search(r"\bret is (-\d{4,5})", said)
    if code and code.group(1) in _CODE_SAID:
        return _MEANINGS[_CODE_SAID[code.group(1)]]
    if _ONE_HIDES_ALL.search(said):
        return _("{line} (one card that does not answer hides all: look at dmesg)").format(
            line=_last_line(said)
        )
    return ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else _("nothing")
