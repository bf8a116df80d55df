"""Who holds the NPUs of a node, as the node itself says; pure."""

from __future__ import annotations

from dataclasses import dataclass

EVERYTHING = "all"
_OVER = ("reboot", "restart", "silent")


@dataclass(frozen=True, slots=True)
class Holding:
    """One lease. `device`: an NPU's number, or EVERYTHING; `actor`: user@bastion; `since`: UTC epoch seconds.

    `state` as docs/fleet.md names it; `quiet_s`: since when nobody renewed it; `alive`: processes of its run;
    `why` in the holder's words, "" for none.
    """

    device: str
    run_key: str
    actor: str
    since: float
    state: str
    quiet_s: int = 0
    alive: int = 0
    why: str = ""

    @property
    def over(self) -> bool:
        """Whoever asks gets the NPUs."""
        return self.state in _OVER

    def covers(self, npu_id: int) -> bool:
        return self.device in (EVERYTHING, str(npu_id))


@dataclass(frozen=True, slots=True)
class NodeHoldings:
    """All leases of a node. `at`: when the node said so, UTC epoch seconds."""

    at: float
    leases: tuple[Holding, ...] = ()
