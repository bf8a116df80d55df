"""What a chart needs, without a chart: a bounded history that never loses a spike, round ticks, smoothing."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """What falls into one column of a drawing: extremes, the newest value, how many were not finite."""

    low: float
    high: float
    last: float
    gaps: int


class SeriesPyramid:
    """A series of any length in at most `capacity` buckets of equal point count.

    A bucket keeps the x of its first point, the smallest, largest and last finite y, and how many y were
    not finite (`gaps`); a bucket without one finite y has NaN in all three. When the buckets are full,
    neighbours are merged and each holds twice as many points: constant memory, amortised constant time.
    """

    def __init__(self, capacity: int = 4096) -> None:
        """`capacity`: even, at least 2; ValueError otherwise."""
        if capacity < 2 or capacity % 2:
            raise ValueError(f"capacity must be even and at least 2, not {capacity}")
        self.capacity = capacity
        self.points_per_bucket = 1
        self.xs: list[float] = []
        self.lows: list[float] = []
        self.highs: list[float] = []
        self.lasts: list[float] = []
        self.gaps: list[int] = []
        self.last_x = math.nan
        self._room = 0

    def __len__(self) -> int:
        return len(self.xs)

    def append(self, x: float, y: float) -> None:
        """Add a point. An x not above the last one is a restart: what stood at or after it is replaced."""
        if x <= self.last_x:
            self.rewind(x)
        self.last_x = x
        if self._room:
            self._room -= 1
            self._widen_last(y)
            return
        if len(self.xs) == self.capacity:
            self._halve()
        finite = math.isfinite(y)
        value = y if finite else math.nan
        self.xs.append(x)
        self.lows.append(value)
        self.highs.append(value)
        self.lasts.append(value)
        self.gaps.append(0 if finite else 1)
        self._room = self.points_per_bucket - 1

    def rewind(self, x: float) -> None:
        """Forget the buckets that begin at or after `x`; the one that `x` falls into stays whole."""
        keep = bisect_left(self.xs, x)
        for column in (self.xs, self.lows, self.highs, self.lasts, self.gaps):
            del column[keep:]
        self._room = 0
        self.last_x = self.xs[-1] if self.xs else math.nan

    def columns(self, first: float, last: float, count: int) -> list[Column | None]:
        """`count` equal slices of the x range `first`..`last`; None where no bucket begins.

        The extremes of every bucket in a slice are kept. Cost: the buckets in view, at most `capacity`.
        """
        merged: list[Column | None] = [None] * count
        if count <= 0 or not last >= first:
            return merged
        scale = count / (last - first) if last > first else 0.0
        for index in range(bisect_left(self.xs, first), bisect_right(self.xs, last)):
            place = min(count - 1, int((self.xs[index] - first) * scale))
            bucket = Column(self.lows[index], self.highs[index], self.lasts[index], self.gaps[index])
            before = merged[place]
            merged[place] = bucket if before is None else _joined(before, bucket)
        return merged

    def _widen_last(self, y: float) -> None:
        if not math.isfinite(y):
            self.gaps[-1] += 1
            return
        # written so that the NaN of a bucket without a finite value gives way
        if not self.lows[-1] <= y:
            self.lows[-1] = y
        if not self.highs[-1] >= y:
            self.highs[-1] = y
        self.lasts[-1] = y

    def _halve(self) -> None:
        self.lows = [_low(a, b) for a, b in zip(self.lows[::2], self.lows[1::2], strict=True)]
        self.highs = [_high(a, b) for a, b in zip(self.highs[::2], self.highs[1::2], strict=True)]
        self.lasts = [_newest(a, b) for a, b in zip(self.lasts[::2], self.lasts[1::2], strict=True)]
        self.gaps = [a + b for a, b in zip(self.gaps[::2], self.gaps[1::2], strict=True)]
        self.xs = self.xs[::2]
        self.points_per_bucket *= 2


def _low(a: float, b: float) -> float:
    return b if b < a or a != a else a


def _high(a: float, b: float) -> float:
    return b if b > a or a != a else a


def _newest(a: float, b: float) -> float:
    return b if b == b else a


def _joined(a: Column, b: Column) -> Column:
    return Column(_low(a.low, b.low), _high(a.high, b.high), _newest(a.last, b.last), a.gaps + b.gaps)


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """At most `count` round numbers (1, 2, 2.5 or 5 times a power of ten) within `low`..`high`, rising.

    A range without width gives its one value; a range that is not finite, or no room, gives none.
    """
    if count <= 0 or not (math.isfinite(low) and math.isfinite(high)):
        return []
    low, high = min(low, high), max(low, high)
    room = (high - low) / count
    if not 0.0 < room < math.inf:
        return [low]
    exponent = math.floor(math.log10(room)) - 1
    for power in range(exponent, exponent + 5):
        for factor in (1.0, 2.0, 2.5, 5.0):
            ticks = _multiples(low, high, factor, power, count)
            if ticks is not None:
                return ticks
    return [low]


def _multiples(low: float, high: float, factor: float, power: int, count: int) -> list[float] | None:
    """Multiples of factor * 10**power in the range; None if there are more than `count`, or none."""
    step = factor * 10.0**power
    if not step > 0 or not math.isfinite(high / step) or not math.isfinite(low / step):
        return None
    # a billionth of a step forgives the rounding of the division
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if not 1 <= last - first + 1 <= count:
        return None
    digits = max(0, 1 - power)
    ticks = [round(index * step, digits) for index in range(first, last + 1)]
    return [min(high, max(low, tick)) for tick in ticks]


def nice_log_ticks(low: float, high: float, count: int) -> list[float]:
    """At most `count` powers of ten within `low`..`high`; linear ticks where fewer than two would fit.

    A logarithmic axis has no place for zero and below: then the answer is empty.
    """
    low, high = min(low, high), max(low, high)
    if not low > 0 or not math.isfinite(high):
        return []
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    if len(powers) < 2:
        return nice_ticks(low, high, count)
    stride = -(-len(powers) // max(1, count))
    return [10.0**power for power in powers[::stride]]


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Exponential moving average, corrected for its start; `weight` 0 (raw) up to, not including, 1.

    A value that is not finite stays as it is and does not enter the average.
    """
    if not 0.0 <= weight < 1.0:
        raise ValueError(f"weight must be at least 0 and below 1, not {weight}")
    average, mass = 0.0, 0.0
    result = []
    for value in values:
        if not math.isfinite(value):
            result.append(value)
            continue
        average = weight * average + (1.0 - weight) * value
        mass = weight * mass + (1.0 - weight)
        result.append(average / mass)
    return result
