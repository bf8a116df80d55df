"""What a reader hands to a handler: a block of rows as columns, and the rows that cannot be used."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple, Protocol, Sequence

LINE, ROW, RECORD = "line", "row", "record"


class BadRow(NamedTuple):
    """A row that cannot be used: `number` counts `unit`s of the file `path` from 1, `field` is the column
    ("" where the whole row is meant), `why` says what is wrong in words; `last`: where it ends cannot be
    known, so that nothing after it in the file can be read."""

    path: str
    unit: str
    number: int
    field: str
    why: str
    last: bool = False

    def where(self) -> str:
        """The place in words: "line 17 of /data/a.jsonl"."""
        places = {
            LINE: _("line {number} of {path}"),
            ROW: _("row {number} of {path}"),
            RECORD: _("record {number} of {path}"),
        }
        return places[self.unit].format(number=self.number, path=self.path)


class Rows(NamedTuple):
    """Readable rows of one block, in file order.

    `columns[name]` has one value a row, of whatever type the file holds, None where the row has none;
    `numbers[i]` is the number (from 1) of row i in `path`, in `unit`s; `places[i]` its place among all rows
    of the block, readable or not, of which there are `total`; `bad` lists those that could not be read."""

    path: str
    unit: str
    numbers: List[int]
    places: List[int]
    total: int
    columns: Dict[str, List[Any]]
    bad: List[BadRow]

    def bad_row(self, index: int, field: str, why: str) -> BadRow:
        """Row `index` of this block, which a handler cannot use."""
        return BadRow(self.path, self.unit, self.numbers[index], field, why)


class Block(Protocol):
    """A part of a file that a worker can parse on its own; crosses to another process by pickle.

    `done`: bytes of the whole input (packed files in their packed size) that have been read when this block
    has; `first`: how many rows of its file lie before it (blank lines are no rows); `total`: how many rows it
    has, readable or not.
    """

    @property
    def done(self) -> int: ...

    @property
    def first(self) -> int: ...

    @property
    def total(self) -> int: ...

    def rows(self, columns: Sequence[str]) -> Rows:
        """Parse. What cannot be read is in `bad`; only an unreadable file raises JobError."""
        ...
