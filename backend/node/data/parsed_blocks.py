"""Rows that the reading process has to parse itself, because only parsing finds where they end."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from backend.node.data.rows import BadRow, Rows


class ParsedRow(NamedTuple):
    """One row: its number in its unit, a value for every column, or None with the field and reason; `size`
    is about how many bytes it takes; `last`: nothing after it can be read."""

    number: int
    values: Optional[Sequence[Any]]
    field: str
    why: str
    size: int
    last: bool = False


class ParsedBlock(NamedTuple):
    """`total` rows, readable or not, in the wanted columns."""

    done: int
    first: int
    total: int
    parsed: Rows

    def rows(self, columns: Sequence[str]) -> Rows:
        """The rows in `columns`, which are some of those the file was read for."""
        held = self.parsed.columns
        return self.parsed._replace(columns={name: held[name] for name in columns})


def gathered(
    rows: Iterable[ParsedRow],
    path: str,
    unit: str,
    columns: Sequence[str],
    done: Callable[[], int],
    block_bytes: int,
) -> Iterator[ParsedBlock]:
    """The rows in blocks of about `block_bytes`."""
    first = size = 0
    block: List[ParsedRow] = []
    for row in rows:
        block.append(row)
        size += row.size
        if size >= block_bytes:
            yield _block(block, path, unit, columns, done(), first)
            first += len(block)
            block, size = [], 0
    if block:
        yield _block(block, path, unit, columns, done(), first)


def _block(
    block: List[ParsedRow], path: str, unit: str, columns: Sequence[str], done: int, first: int
) -> ParsedBlock:
    places = [place for place, row in enumerate(block) if row.values is not None]
    numbers = [block[place].number for place in places]
    bad = [
        BadRow(path, unit, row.number, row.field, row.why, row.last) for row in block if row.values is None
    ]
    readable = [row.values for row in block if row.values is not None]
    values: Dict[str, List[Any]] = {
        name: [row[index] for row in readable] for index, name in enumerate(columns)
    }
    return ParsedBlock(done, first, len(block), Rows(path, unit, numbers, places, len(block), values, bad))
