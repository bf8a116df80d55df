"""What a command said, in bounded memory: its beginning, its end, and a digest of all of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Output:
    """`head` and `tail` with `left_out` bytes between them; `digest` tells two outputs apart even there."""

    head: bytes = b""
    tail: bytes = b""
    left_out: int = 0
    digest: bytes = b""

    @property
    def size(self) -> int:
        return len(self.head) + self.left_out + len(self.tail)


class KeptOutput:
    """Fed with pieces; never holds more than about `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self._digest = hashlib.sha256()
        self.size = 0

    def add(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail += data
            # cut now and then, not at every piece
            if len(self._tail) > 2 * self._half:
                del self._tail[: -self._half]

    def output(self) -> Output:
        tail = bytes(self._tail[-self._half :])
        left_out = self.size - len(self._head) - len(tail)
        return Output(bytes(self._head), tail, left_out, self._digest.digest())
