"""What npudeck has written down beside token files: the manifest of their prefix, and checksums."""

from __future__ import annotations

import os
import zlib
from typing import Any, Dict, Iterator, Optional, Tuple

from backend.node import manifest

_PIECE = 1 << 22


def manifest_of(path: str) -> Optional[Dict[str, Any]]:
    """The manifest that lists the pair `path` (without .bin/.idx) among its outputs; None where there is
    none."""
    folder, name = os.path.split(path)
    parts = name.split("_")
    for count in range(len(parts), 0, -1):
        found = manifest.read(os.path.join(folder, "_".join(parts[:count]) + ".json"))
        if found is not None and any(one.get("path") == name + ".bin" for one in found.get("outputs") or []):
            return found
    return None


def changed_files(path: str) -> Iterator[Tuple[str, str, str]]:
    """The halves of the pair that are not as they were written: file, recorded and present CRC-32.

    Nothing is said of files without a recorded checksum. Raises OSError."""
    found = manifest_of(path)
    recorded: Dict[str, str] = (found or {}).get("crc32") or {}
    for ending in (".bin", ".idx"):
        wanted = recorded.get(os.path.basename(path) + ending)
        if wanted is None:
            continue
        present = f"{_crc32(path + ending):08x}"
        if present != wanted:
            yield path + ending, wanted, present


def _crc32(path: str) -> int:
    checksum = 0
    with open(path, "rb", buffering=0) as stream:
        while True:
            piece = stream.read(_PIECE)
            if not piece:
                return checksum
            checksum = zlib.crc32(piece, checksum)
