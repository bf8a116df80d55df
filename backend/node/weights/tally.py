"""What is counted while weights are written: bytes, values changed by a cast, values that are no numbers."""

from __future__ import annotations

import threading
import time
from gettext import ngettext
from typing import TYPE_CHECKING, Any, Dict, List

from backend.node.weights.arrays import BF16, FP16, FP32, Array
from backend.node.weights.progress import Progress, Tell, say_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

# As whole numbers, the bits of all finite values are below those of infinity.
_INFINITY = {BF16: 0x7F80, FP16: 0x7C00, FP32: 0x7F800000, "fp64": 0x7FF0000000000000}
_SIGN = {2: 0x8000, 4: 0x80000000, 8: 0x8000000000000000}


class Stopped(Exception):
    """Another thread has failed: this one's work is not wanted any more."""


class Tally:
    """Safe to use from several threads. `lost`, `overflowed`: values that did not come through a cast as
    they were, or became infinite; `not_finite`: tensors with NaN or infinite values, by name, with their
    number."""

    def __init__(self, total_bytes: int, tell: Tell) -> None:
        self.total_bytes = total_bytes
        self.done_bytes = 0
        self.lost = 0
        self.overflowed = 0
        self.lossy_tensors = 0
        self.tensors = 0
        self.not_finite: Dict[str, int] = {}
        self.stop = threading.Event()
        self._tell = tell
        self._lock = threading.Lock()
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def add(self, nbytes: int) -> None:
        """A tensor of so many bytes is ready to be written. Raises Stopped."""
        if self.stop.is_set():
            raise Stopped
        with self._lock:
            self.done_bytes += nbytes
            self.tensors += 1
            self._tell(Progress(self.done_bytes, self.total_bytes, self.seconds))

    def add_cast(self, lost: int, overflowed: int) -> None:
        if lost or overflowed:
            with self._lock:
                self.lost += lost
                self.overflowed += overflowed
                self.lossy_tensors += 1

    def look_at(self, name: str, array: Array) -> None:
        """Note the values that are no numbers; several pieces of a tensor add up under its name."""
        count = count_not_finite(array)
        if count:
            with self._lock:
                self.not_finite[name] = self.not_finite.get(name, 0) + count

    def counts(self) -> Dict[str, Any]:
        """For a manifest."""
        return {
            "bytes": self.done_bytes,
            "tensors": self.tensors,
            "lost_values": self.lost,
            "overflowed_values": self.overflowed,
            "lossy_tensors": self.lossy_tensors,
            "not_finite_values": sum(self.not_finite.values()),
        }

    def notes(self) -> List[str]:
        """Sentences about what somebody should know of the values."""
        notes = []
        if self.lost:
            text = ngettext(
                "{count:,} value loses digits in the cast",
                "{count:,} values lose digits in the cast, in {tensors}",
                self.lost,
            )
            notes.append(text.format(count=self.lost, tensors=_tensors(self.lossy_tensors)))
        if self.overflowed:
            text = ngettext(
                "{count:,} value is too large for the dtype and became infinite",
                "{count:,} values are too large for the dtype and became infinite",
                self.overflowed,
            )
            notes.append(text.format(count=self.overflowed))
        if self.not_finite:
            count = sum(self.not_finite.values())
            text = ngettext(
                "{count:,} value is NaN or infinite, in {name}",
                "{count:,} values are NaN or infinite, in {tensors}; the first is {name}",
                count,
            )
            tensors = _tensors(len(self.not_finite))
            notes.append(text.format(count=count, tensors=tensors, name=min(self.not_finite)))
        return notes

    def say_notes(self) -> List[str]:
        return say_all(self._tell, self.notes())


def _tensors(count: int) -> str:
    return ngettext("{count} tensor", "{count} tensors", count).format(count=count)


def count_not_finite(array: Array) -> int:
    """How many values are NaN or infinite. Two passes of a maximum find out that there are none, which is the
    rule, without a temporary."""
    if array.dtype not in _INFINITY or array.data.size == 0:
        return 0

    import numpy as np

    size = array.data.dtype.itemsize
    infinity = _INFINITY[array.dtype]
    signed: NDArray[Any] = array.data.view(f"<i{size}")
    unsigned: NDArray[Any] = array.data.view(f"<u{size}")
    if int(signed.max()) < infinity and int(unsigned.max()) < infinity + _SIGN[size]:
        return 0
    flat, mask, step = unsigned.reshape(-1), _SIGN[size] - 1, 1 << 20
    return sum(
        int(np.count_nonzero((flat[start : start + step] & mask) >= infinity))
        for start in range(0, len(flat), step)
    )
