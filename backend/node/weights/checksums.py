"""The checksums that a torch file holds of its own members: a bit that has turned on a disk is found."""

from __future__ import annotations

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from gettext import gettext as _
from typing import List

_PIECE = 1 << 20
_MOST_WORKERS = 8


def damage(paths: List[str]) -> List[str]:
    """Read all of those that are zip files, several at a time, and answer a sentence for each whose bytes are
    not those that were written. Raises OSError."""
    archives = [path for path in paths if path.endswith((".pt", ".bin")) and zipfile.is_zipfile(path)]
    workers = max(1, min(len(archives), os.cpu_count() or 1, _MOST_WORKERS))
    text = _("{path} is damaged: the checksum of {name} in it does not hold")
    with ThreadPoolExecutor(workers) as pool:
        found = zip(archives, pool.map(_damaged, archives))
        return [text.format(path=path, name=name) for path, name in found if name]


def _damaged(path: str) -> str:
    """The first member whose bytes are others than when it was written, "" for none."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            # torch can be told to compute none, and then writes 0.
            if member.CRC == 0 or member.compress_type != zipfile.ZIP_STORED:
                continue
            try:
                with archive.open(member) as stream:
                    while stream.read(_PIECE):
                        pass
            except zipfile.BadZipFile:
                return member.filename
    return ""
