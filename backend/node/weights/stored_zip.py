"""A zip archive of stored members, written as a stream: what a torch file is.

Source of the format: PKWARE's APPNOTE, sections 4.3 and 4.5; the alignment is that of torch.
"""

from __future__ import annotations

import struct
import threading
import zlib
from typing import IO, Any, Iterable, List, NamedTuple

ALIGNMENT = 64
# From here on sizes, places and counts need the fields of zip64, and the old ones hold only ones.
LARGE = _ONES = 0xFFFFFFFF
MANY = _SHORT_ONES = 0xFFFF
_FLAGS = 0x0808  # sizes and checksum follow the bytes; names are UTF-8
_DAY = 0x21  # 1980-01-01: the same content makes the same file
_PADDING = 0x4246
_OWN_THREAD = 1 << 20


class _Member(NamedTuple):
    name: bytes
    start: int
    size: int
    checksum: int


class StoredZip:
    """Members go to `stream`, which begins here, in the order in which they are added; `finish` ends it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._at = 0
        self._members: List[_Member] = []

    def add(self, name: str, size: int, content: Iterable[Any]) -> None:
        """A member of `size` bytes from pieces that are bytes or contiguous arrays; its bytes are aligned.

        Raises OSError, and ValueError when the pieces are not `size` bytes in all.
        """
        start, encoded = self._at, name.encode("utf-8")
        self._write(self._local_header(encoded, size))
        first, checksum = self._at, 0
        for piece in content:
            checksum = self._write_summed(memoryview(piece).cast("B"), checksum)
        if self._at - first != size:
            raise ValueError(f"{name}: {self._at - first} bytes instead of {size}")
        form = "<4sIQQ" if size >= LARGE else "<4sIII"
        self._write(struct.pack(form, b"PK\x07\x08", checksum, size, size))
        self._members.append(_Member(encoded, start, size, checksum))

    def finish(self) -> None:
        """Write the directory of the members."""
        start = self._at
        for member in self._members:
            self._write(_directory_entry(member))
        size, count = self._at - start, len(self._members)
        if max(start, size) >= LARGE or count >= MANY:
            end = self._at
            wide = (count, count, size, start)
            self._write(struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, *wide))
            self._write(struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1))
        few = count if count < MANY else _SHORT_ONES
        sizes = (few, few, _narrow(size), _narrow(start))
        self._write(struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, *sizes, 0))

    def _local_header(self, name: bytes, size: int) -> bytes:
        """Its last field pads, so that the bytes that follow are aligned."""
        large = struct.pack("<HHQQ", 1, 16, 0, 0) if size >= LARGE else b""
        until = self._at + 30 + len(name) + len(large) + 4
        padding = -until % ALIGNMENT
        extra = large + struct.pack("<HH", _PADDING, padding) + b"Z" * padding
        sizes = _ONES if large else 0
        version = 45 if large else 0
        fields = (version, _FLAGS, 0, 0, _DAY, 0, sizes, sizes, len(name), len(extra))
        return struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", *fields) + name + extra

    def _write(self, data: Any) -> None:
        self._stream.write(data)
        self._at += len(data)

    def _write_summed(self, data: memoryview, checksum: int) -> int:
        """Write, and go on with the checksum beside: each takes about as long as the other."""
        if len(data) < _OWN_THREAD:
            self._write(data)
            return zlib.crc32(data, checksum)
        found: List[int] = []
        summing = threading.Thread(target=lambda: found.append(zlib.crc32(data, checksum)))
        summing.start()
        try:
            self._write(data)
        finally:
            summing.join()
        return found[0]


def _directory_entry(member: _Member) -> bytes:
    large = b"".join(
        struct.pack("<Q", value) for value in _large_values(member.size, member.size, member.start)
    )
    extra = struct.pack("<HH", 1, len(large)) + large if large else b""
    version = 45 if large else 0
    size, start = _narrow(member.size), _narrow(member.start)
    fields = (version, version, _FLAGS, 0, 0, _DAY, member.checksum, size, size, len(member.name))
    tail = (len(extra), 0, 0, 0, 0, start)
    return struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", *fields, *tail) + member.name + extra


def _large_values(*values: int) -> List[int]:
    return [value for value in values if value >= LARGE]


def _narrow(value: int) -> int:
    return value if value < LARGE else _ONES
