"""What a check has found: all counted, the first of each kind told."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

SHOWN_OF_A_KIND = 10


class Findings:
    """`listed`: dicts of "file", "document", "sequence", "position", "what"; `total`: how many there are."""

    def __init__(self) -> None:
        self.listed: List[Dict[str, Any]] = []
        self.total = 0
        self._seen: Dict[Tuple[str, str], int] = {}

    def room(self, kind: str, file: str) -> int:
        """How many more of this kind in this file would be listed."""
        return max(0, SHOWN_OF_A_KIND - self._seen.get((kind, file), 0))

    def add(
        self,
        kind: str,
        file: str,
        what: str,
        document: Optional[int] = None,
        sequence: Optional[int] = None,
        position: Optional[int] = None,
    ) -> None:
        """One finding of a kind; listed while there is room for its kind."""
        if self.room(kind, file):
            place = {"document": document, "sequence": sequence, "position": position}
            self.listed.append({"file": file, **place, "what": what})
        self.count(kind, file, 1)

    def count(self, kind: str, file: str, number: int) -> None:
        """`number` more findings that are counted only."""
        self._seen[kind, file] = self._seen.get((kind, file), 0) + number
        self.total += number
