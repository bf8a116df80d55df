"""Plain text: every line is a row of the one column `text`, as it stands."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

from backend.node.data.bad_bytes import why_not_utf8
from backend.node.data.line_cuts import cut_universal_lines
from backend.node.data.packed_stream import open_stream
from backend.node.data.rows import LINE, BadRow, Rows

COLUMN = "text"


class TextBlock(NamedTuple):
    """Whole lines of a text file; `total` of them. A byte order mark stays, as in the reference."""

    path: str
    done: int
    first: int
    total: int
    raw: bytes

    def rows(self, columns: Sequence[str]) -> Rows:
        """Line ends are those of universal newlines; form feeds and other separators stay inside a line."""
        lines = universal_lines(self.raw)
        texts: List[str] = []
        places: List[int] = []
        bad: List[BadRow] = []
        try:
            texts = b"\n".join(lines).decode("utf-8").split("\n")
            places = list(range(len(lines)))
        except UnicodeDecodeError:
            for place, line in enumerate(lines):
                why = why_not_utf8(line)
                if why:
                    bad.append(BadRow(self.path, LINE, self.first + place + 1, "", why))
                else:
                    texts.append(line.decode("utf-8"))
                    places.append(place)
        values: Dict[str, List[Any]] = {
            name: texts if name == COLUMN else [None] * len(texts) for name in columns
        }
        numbers = [self.first + place + 1 for place in places]
        return Rows(self.path, LINE, numbers, places, len(lines), values, bad)


def universal_lines(raw: bytes) -> List[bytes]:
    """The lines of `raw`, without their ends."""
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = raw.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    return lines


def read_text(path: str, columns: Sequence[str], block_bytes: int) -> Iterator[TextBlock]:
    """The file in blocks of about `block_bytes`. Raises JobError."""
    first = 0
    with open_stream(path) as (stream, done):
        for raw in cut_universal_lines(stream, block_bytes):
            total = _count(raw)
            yield TextBlock(path, done(), first, total, raw)
            first += total


def _count(raw: bytes) -> int:
    ends = raw.count(b"\n")
    if b"\r" in raw:
        ends += raw.count(b"\r") - raw.count(b"\r\n")
    return ends if raw.endswith((b"\n", b"\r")) else ends + 1
