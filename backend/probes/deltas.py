"""How counters grew, and what a link's history says since a moment. Times in UTC epoch seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backend.events import LinkChange

# MindCluster's fault diagnosis counts only outages longer than this: a link trains for some seconds
FLAP_S = 30.0


@dataclass(frozen=True, slots=True)
class Outage:
    """A link was down from `down_at` until `up_at`, or is down still (None)."""

    down_at: float
    up_at: float | None
    port: str = ""

    def lasted_s(self, now: float) -> float:
        return (now if self.up_at is None else self.up_at) - self.down_at


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What each counter grew by, of those in both and without the ones that stood still.

    A counter that is smaller than before was reset in between: it has grown by what it shows at least.
    """
    grown = {
        name: value - before[name] if value >= before[name] else value
        for name, value in after.items()
        if name in before
    }
    return {name: amount for name, amount in grown.items() if amount > 0}


def outages(changes: Iterable[LinkChange], since: float) -> tuple[Outage, ...]:
    """Outages that began or still lasted at `since`, oldest first, each port by itself.

    The history says when a link came up and went down; two of the same in a row mean that one between them is
    lost, and the later one is believed.
    """
    down: dict[str, float] = {}
    found: list[Outage] = []
    # of one second the history is printed newest first: up is sorted behind down, as it ends it
    for change in sorted(changes, key=lambda change: (change.at, change.up)):
        if not change.up:
            down[change.port] = change.at
        elif change.port in down:
            found.append(Outage(down.pop(change.port), change.at, change.port))
    found += [Outage(at, None, port) for port, at in down.items()]
    return tuple(
        sorted((one for one in found if one.up_at is None or one.up_at >= since), key=lambda one: one.down_at)
    )


def flaps(changes: Iterable[LinkChange], since: float, now: float) -> tuple[Outage, ...]:
    """The outages since a moment (a job's start) that lasted longer than FLAP_S and began after it."""
    return tuple(
        one for one in outages(changes, since) if one.down_at >= since and one.lasted_s(now) > FLAP_S
    )
