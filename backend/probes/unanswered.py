"""Which questions of one round had no answer on a node, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backend.probes.node_record import answer_to, reason_of_silence
from backend.probes.probe_plan import FrameHeader
from backend.translation import _

# what probe.sh asks of the host, and what it asks of hccn_tool; everything else is npu-smi's
_OF_HOST = frozenset({"host", "versions"})
_OF_HCCN = frozenset({"link", "net_health", "link_stat", "optical", "stat", "fec", "tls", "ip", "lldp"})
_NOT_FOUND = 127

Frames = Sequence[tuple[FrameHeader, str]]


def unanswered(asked: Iterable[str], frames: Frames, chips: int) -> dict[str, str]:
    """The kinds that nothing of the node answered, with the reason; `chips`: how many the table lists.

    What the devices do not support is left out, and so is what one chip answered and another did not: that
    is a finding about the other one.
    """
    missed: dict[str, str] = {}
    for kind in asked:
        mine = [frame for frame in frames if frame[0].kind == kind]
        why = _refusal(mine) if mine else _absence(kind, frames, chips)
        if why:
            missed[kind] = why
    return missed


def _refusal(frames: Frames) -> str:
    """Why none of the chips answered, or "" where one did or where none of them supports it."""
    why = ""
    for header, said in frames:
        if header.kind in _OF_HOST:
            return ""
        answer = answer_to(header, said)
        if answer is None:
            why = why or _why(header, said)
        elif answer.kind != "unsupported":
            return ""
    return why


def _why(header: FrameHeader, said: str) -> str:
    # 127 is also what the loader says when one of the driver's libraries is missing
    if header.exit_code == _NOT_FOUND and "error while loading shared libraries" not in said:
        return _not_found("hccn_tool" if header.kind in _OF_HCCN else "npu-smi")
    return reason_of_silence(header, said)


def _absence(kind: str, frames: Frames, chips: int) -> str:
    """Why the probe sent nothing of this kind, or "" where there was nothing to ask."""
    if kind in _OF_HOST:
        return _("no answer came")
    if not chips:
        return ""
    of_chips = [header for header, _said in frames if header.kind not in _OF_HOST]
    if not of_chips:
        return _("npu-smi info -m lists no NPU")
    if kind not in _OF_HCCN:
        return _("no answer came")
    if kind != "link" and all(header.chip_id is None for header in of_chips):
        return ""  # a generation that is not asked for it
    if any(header.kind in _OF_HCCN for header in of_chips):
        return _("no answer came")
    return _not_found("hccn_tool")


def _not_found(tool: str) -> str:
    return _("{tool}: not found").format(tool=tool)
