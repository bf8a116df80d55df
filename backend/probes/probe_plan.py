"""How a node is asked for its health, and what its answer means. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backend.events import NodeNotReached, NodeObserved
from backend.probes.npu_smi_info import parse
from backend.translation import _

MAX_FRAME_BYTES = 1 << 20  # the largest published table is 20 kB
_HEADER = re.compile(rb"npudeck-probe v=1 t=(\d+) rc=(\d+) n=(\d+)\r?\n")
_NOT_FOUND = 127
_TIMED_OUT = 124
# exit status is the return code's low byte (npu-smi source: `exit(rc)`)
_MEANINGS = {
    187: _("DCMI error -8005: the driver's devices are not visible here, or not to this user"),
    172: _("DCMI error -8020: another container holds the devices"),
}


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """`at`: epoch seconds on the node's clock; `exit_code` of npu-smi; `size` of what it said, in bytes."""

    at: int
    exit_code: int
    size: int


def probe_argv(script: str, interval_s: float, count: int) -> tuple[str, ...]:
    """probe.sh, not installed: its text is an argument of `sh -c`. `count` 0 means until stdin ends."""
    return ("sh", "-c", script, "probe.sh", f"{interval_s:g}", str(count))


def parse_header(line: bytes) -> FrameHeader | None:
    """None for anything else, such as a greeting that a login script prints."""
    match = _HEADER.fullmatch(line)
    if match is None or int(match[3]) > MAX_FRAME_BYTES:
        return None
    return FrameHeader(int(match[1]), int(match[2]), int(match[3]))


def parse_frame(data: bytes) -> tuple[FrameHeader, str] | None:
    """The first frame in `data`, whatever stands before it; None when there is no whole one."""
    match = _HEADER.search(data)
    header = parse_header(match[0]) if match else None
    if match is None or header is None or len(data) < match.end() + header.size:
        return None
    return header, data[match.end() : match.end() + header.size].decode("utf-8", "replace")


def judge_answer(
    node: str, at: float, took_ms: float, exit_code: int, said: str
) -> NodeObserved | NodeNotReached:
    """An observation only if npu-smi itself said so; else the reason why nothing is known.

    A table without devices is an answer; no table is none.
    """
    if exit_code != 0:
        return NodeNotReached(node, at, _failure(exit_code, said))
    info = parse(said)
    if not info.devices and info.tool_version is None:
        return NodeNotReached(node, at, _("npu-smi printed no table: {line}").format(line=_last_line(said)))
    return NodeObserved(node, at, info.tool_version, info.devices, info.processes, took_ms)


def _failure(exit_code: int, said: str) -> str:
    if exit_code == _NOT_FOUND:
        # 127 is also what the loader says when one of the driver's libraries is missing
        missing = "error while loading shared libraries" in said
        return _("npu-smi: {line}").format(line=_last_line(said)) if missing else _("npu-smi: not found")
    if exit_code == _TIMED_OUT:
        return _("npu-smi did not answer within 10 s")
    meaning = _MEANINGS.get(exit_code) or _last_line(said)
    return _("npu-smi failed with exit code {code}: {meaning}").format(code=exit_code, meaning=meaning)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else _("nothing")
