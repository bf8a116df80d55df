"""Who holds the NPUs of a node, as the node itself says; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EVERYTHING = "all"
State = Literal["held", "orphaned", "silent", "reboot", "restart", "broken"]


@dataclass(frozen=True, slots=True)
class Lease:
    """One NPU (or all) and who has it. `device`: an NPU's number, or EVERYTHING; `actor`: user@bastion;
    `since`: UTC epoch seconds; `quiet_s`: since when nobody renewed it, of the `ttl_s` that it lives without;
    `alive`: processes of its run; `why` in the holder's words, "" for none; `place`: the container, or "".

    `state`: `held`; `orphaned`: not renewed, but its processes live; `reboot`, `restart`, `silent`: over,
    by a new start of the machine or of the container, or for want of a renewal; `broken`: its file cannot
    be read.
    """

    device: str
    run_key: str
    actor: str
    since: float
    state: State
    quiet_s: int = 0
    alive: int = 0
    why: str = ""
    ttl_s: int = 0
    place: str = ""

    @property
    def over(self) -> bool:
        """Whoever asks gets the NPUs."""
        return self.state in ("reboot", "restart", "silent")

    def covers(self, npu_id: int) -> bool:
        return self.device in (EVERYTHING, str(npu_id))


@dataclass(frozen=True, slots=True)
class NodeLeases:
    """All leases of a node. `at`: when the node said so, UTC epoch seconds."""

    at: float
    leases: tuple[Lease, ...] = ()
