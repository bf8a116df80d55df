"""How counters grew, and what a link's history says since a moment. Times in UTC epoch seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Tally:
    """The counters of one kind of answer. One that falls says nothing: a reboot, or a query that failed.

    Tools print a zero where a query fails. So what a counter was before its fall is kept for one more answer:
    where it is reached again the fall was none, and else the count has begun anew.
    """

    at: float | None = None
    _last: dict[str, int] = field(default_factory=dict)
    _before_fall: dict[str, int] = field(default_factory=dict)

    def take(self, counters: Mapping[str, int], at: float) -> tuple[dict[str, int], float | None]:
        """What each counter grew by, without those that stood still, and within how many seconds."""
        grown: dict[str, int] = {}
        fallen: dict[str, int] = {}
        for name, value in counters.items():
            last = self._last.get(name, value)
            if value < last:
                fallen[name] = last
                continue
            before = self._before_fall.get(name)
            base = before if before is not None and value >= before else last
            if value > base:
                grown[name] = value - base
        span_s = None if self.at is None else max(0.0, at - self.at)
        self.at, self._last, self._before_fall = at, dict(counters), fallen
        return grown, span_s


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


def falls_within(changes: Iterable[LinkChange], seconds: float, now: float) -> dict[str, tuple[float, ...]]:
    """When the link of each port went down within the last `seconds`, oldest first."""
    falls: dict[str, list[float]] = {}
    for change in changes:
        if not change.up and now - seconds < change.at <= now:
            falls.setdefault(change.port, []).append(change.at)
    return {port: tuple(sorted(times)) for port, times in falls.items()}
