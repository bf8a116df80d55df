"""Plain reading and writing: every file of one folder into another, in pieces, each file on disk at its end.

usage: _weights_copy.py FROM TO
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PIECE = 8 << 20


def copy(source: Path, target: Path) -> None:
    buffer = bytearray(_PIECE)
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        while count := reading.readinto(buffer):
            view = memoryview(buffer)[:count]
            while view:
                view = view[writing.write(view) :]
        os.fsync(writing.fileno())


def main(source: str, target: str) -> None:
    for path in sorted(Path(source).rglob("*")):
        there = Path(target) / path.relative_to(source)
        if path.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        else:
            there.parent.mkdir(parents=True, exist_ok=True)
            copy(path, there)


if __name__ == "__main__":
    main(*sys.argv[1:])
