"""A local copy of a remote log whose size is the cursor: kill anything at any point, nothing disagrees.

A directory a log: `gen.json` {"n", "ino"} is written (temporary name, rename) before the first byte of
generation n, `<n>.log` holds its raw bytes, append only. No second copy of an offset exists.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

_FINGERPRINT_BYTES = 256


class LogMirror:
    """One log on the bastion. Offsets outside this class run over all generations, oldest first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._number = 0
        self._inode: int | None = None
        try:
            state = json.loads((directory / "gen.json").read_text())
            self._number, self._inode = int(state["n"]), int(state["ino"])
        except (FileNotFoundError, ValueError, KeyError):
            pass
        self._base = sum(self._size(number) for number in range(1, self._number))

    def _path(self, number: int) -> Path:
        return self.directory / f"{number}.log"

    def _size(self, number: int) -> int:
        try:
            return self._path(number).stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def size(self) -> int:
        """Bytes held, over all generations."""
        return self._base + (self._size(self._number) if self._number else 0)

    def cursor(self) -> dict[str, Any] | None:
        """Where the follower on the node goes on; None: from the beginning."""
        if self._number == 0:
            return None
        size = self._size(self._number)
        count = min(_FINGERPRINT_BYTES, size)
        head = b""
        if count:
            with self._path(self._number).open("rb") as file:
                head = file.read(count)
        return {"ino": self._inode, "off": size, "fpn": count, "fp": zlib.crc32(head)}

    def begin_generation(self, inode: int) -> None:
        """A new file stands under the log's name."""
        self._base = self.size
        self._number += 1
        self._inode = inode
        temporary = self.directory / "gen.tmp"
        with temporary.open("w") as file:
            json.dump({"n": self._number, "ino": inode}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.directory / "gen.json")

    def append(self, offset: int, data: bytes) -> None:
        """Bytes at `offset` of the current generation. Raises `ValueError` when they do not fit the end."""
        size = self._size(self._number)
        if self._number == 0 or offset != size:
            raise ValueError(f"bytes for offset {offset} do not continue a mirror of {size}")
        with self._path(self._number).open("ab") as file:
            file.write(data)

    def read(self, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes from `offset`; b"" at the end."""
        start = 0
        for number in range(1, self._number + 1):
            size = self._size(number)
            if offset < start + size:
                with self._path(number).open("rb") as file:
                    file.seek(offset - start)
                    return file.read(limit)
            start += size
        return b""
