"""Follow append-only files on a node and send what they gain, so that a reader can resume after any loss.

Standard library of Python 3.6 and later; runs from a file or by `python3 -c`. The only argument is JSON:
`{"files": {PATH: {"ino", "off", "fp", "fpn"} or null}, "poll": 0.2}`. A cursor says which file was read
(inode), how far, and the CRC-32 of its first `fpn` bytes, because inodes are used again.

Frames on stdout: one line of JSON, then `n` raw bytes where there are any.
  {"k":"d","p":path,"i":inode,"o":offset,"n":bytes}      data
  {"k":"g","p":path,"i":inode,"o":offset,"why":reason}   another generation begins, before its first data:
        new (read from its start), rotated (its forerunner was read to the end), truncated or lost (bytes that
        cannot be had any more)
  {"k":"h","t":seconds}                                  heartbeat, every 5 s
Ends when stdin ends, which is when the connection is gone.
"""

import glob
import json
import os
import select
import sys
import time
import zlib
from typing import Any, BinaryIO, Dict, List, Optional

CHUNK = 262144
BUDGET = 1 << 20
HEARTBEAT_S = 5.0
LATE_WRITER_S = 1.0


class Out:
    """Frames on stdout."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def send(self, header: Dict[str, Any], data: bytes = b"") -> None:
        self.stream.write(json.dumps(header, separators=(",", ":")).encode("utf-8") + b"\n" + data)

    def flush(self) -> None:
        self.stream.flush()


def fingerprint(descriptor: int, length: int) -> int:
    return zlib.crc32(os.pread(descriptor, length, 0)) & 0xFFFFFFFF


def open_or_none(path: str) -> Optional[int]:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def modified(path: str) -> int:
    """Nanoseconds, or -1 when there is no such file."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1


class Followed:
    """One path: the generation that is being read, and the rotated ones that come before the live one."""

    def __init__(self, path: str, cursor: Optional[Dict[str, int]], out: Out) -> None:
        self.path = path
        self.out = out
        self.descriptor: Optional[int] = None
        self.inode: Optional[int] = None
        self.offset = 0
        self.waiting: List[str] = []
        self.late_until: Optional[float] = None
        self.first = "new"
        if cursor:
            self.first = self.resume(cursor)

    def siblings(self) -> List[str]:
        """Rotated generations, oldest first."""
        return sorted(glob.glob(glob.escape(self.path) + "?*"), key=modified)

    def resume(self, cursor: Dict[str, int]) -> str:
        """Find the generation that the cursor means; else say why it cannot be continued."""
        why = "lost"
        for path in [self.path, *self.siblings()[::-1]]:
            descriptor = open_or_none(path)
            if descriptor is None:
                continue
            status = os.fstat(descriptor)
            if status.st_ino == cursor["ino"]:
                if status.st_size >= cursor["off"] and fingerprint(descriptor, cursor["fpn"]) == cursor["fp"]:
                    self.descriptor, self.inode, self.offset = descriptor, cursor["ino"], cursor["off"]
                    if path != self.path:
                        self.waiting = self.newer_than(status)
                    return "new"
                why = "truncated" if path == self.path and status.st_size < cursor["off"] else "lost"
            os.close(descriptor)
        return why

    def newer_than(self, status: os.stat_result) -> List[str]:
        """Generations between the one with `status` and the live one."""
        found = []
        for path in self.siblings():
            try:
                other = os.stat(path)
            except OSError:
                continue
            if other.st_ino != status.st_ino and other.st_mtime_ns >= status.st_mtime_ns:
                found.append(path)
        return found

    def turn_to(self, path: str, why: str) -> bool:
        """Begin with the file at `path`; False when it is not there (yet)."""
        descriptor = open_or_none(path)
        if descriptor is None:
            return False
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor, self.inode, self.offset = descriptor, os.fstat(descriptor).st_ino, 0
        self.late_until = None
        self.out.send({"k": "g", "p": self.path, "i": self.inode, "o": 0, "why": why})
        return True

    def step(self) -> bool:
        """Send what there is, at most BUDGET bytes; True when there may be more at once."""
        if self.descriptor is None:
            return self.turn_to(self.path, self.first)
        if os.fstat(self.descriptor).st_size < self.offset:
            self.offset = 0
            self.out.send({"k": "g", "p": self.path, "i": self.inode, "o": 0, "why": "truncated"})
        if self.read(self.descriptor):
            return True
        if self.waiting:
            self.turn_to(self.waiting.pop(0), "rotated")
            return True
        return self.turn_to_live()

    def read(self, descriptor: int) -> int:
        sent = 0
        while sent < BUDGET:
            data = os.pread(descriptor, CHUNK, self.offset)
            if not data:
                break
            header = {"k": "d", "p": self.path, "i": self.inode, "o": self.offset, "n": len(data)}
            self.out.send(header, data)
            self.offset += len(data)
            sent += len(data)
        return sent

    def turn_to_live(self) -> bool:
        """Renamed away and read to its end: wait a little for late writers, then take the new file."""
        try:
            moved = os.stat(self.path).st_ino != self.inode
        except OSError:
            moved = False
        if not moved:
            self.late_until = None
        elif self.late_until is None:
            self.late_until = time.monotonic() + LATE_WRITER_S
        elif time.monotonic() >= self.late_until:
            return self.turn_to(self.path, "rotated")
        return False


def stdin_ended(wait_s: float) -> bool:
    """Wait up to `wait_s`; True when the other side has gone."""
    readable = select.select([0], [], [], wait_s)[0]
    return bool(readable) and not os.read(0, 4096)


def follow(request: Dict[str, Any], out: Out) -> None:
    files = [Followed(path, cursor, out) for path, cursor in sorted(request["files"].items())]
    poll = float(request.get("poll", 0.2))
    next_heartbeat = time.monotonic()
    while True:
        more = False
        for followed in files:
            more = followed.step() or more
        now = time.monotonic()
        if now >= next_heartbeat:
            next_heartbeat = now + HEARTBEAT_S
            out.send({"k": "h", "t": time.time()})
        out.flush()
        if stdin_ended(0 if more else poll):
            return


def main(argv: List[str]) -> int:
    try:
        follow(json.loads(argv[1]), Out(sys.stdout.buffer))
    except (BrokenPipeError, KeyboardInterrupt):
        # the reader has gone; closing stdout once more would only complain about it
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
