"""What every handler is: rows of a block in, sequences of ids for each output file out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Protocol, Sequence, Tuple

from backend.node.data.ragged import Ragged
from backend.node.data.rows import BadRow, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.node.data.encoder import Encoder

IGNORED = -100


class Part(NamedTuple):
    """One output file's share of a block. `sequences`: the ids, None for ones of the same lengths as
    the handler's first output; `counts`: how many sequences each kept row has, int64 [kept rows] (0: the row
    writes nothing here, not even a document)."""

    sequences: Optional[Ragged]
    counts: NDArray[np.int64]


class Encoded(NamedTuple):
    """A block's rows as ids. `places`: place in the block (of `total` rows) of every kept row, int64
    [kept rows], ascending; `parts[output]` belongs to the same rows. `bad`: rows that cannot be used, those
    of the reader included, in the order of their numbers. `skipped`: rows that the handler's own rules leave
    out (the reference leaves them out silently)."""

    total: int
    places: NDArray[np.int64]
    parts: Dict[str, Part]
    bad: List[BadRow]
    skipped: List[BadRow]


class HandlerOptions(NamedTuple):
    """What a handler is made from: the job's settings (ModelLink's flags of the same names)."""

    json_keys: Tuple[str, ...] = ("text",)
    append_eod: bool = False
    prompt_type: str = ""
    map_keys: Optional[Dict[str, Any]] = None


class Handler(Protocol):
    """Made once in every worker, from `HandlerOptions` and an `Encoder`.

    `columns`: the columns it reads; `required`: those of them without which no row can be used; `outputs`:
    names of the output files' keys, the first is the one whose lengths count as tokens; `packed`: whether the
    files are named `P_packed_<key>_document` (instruction data) or `P_<key>_document`."""

    columns: Tuple[str, ...]
    required: Tuple[str, ...]
    outputs: Tuple[str, ...]
    packed: bool

    def encode(self, rows: Rows) -> Encoded:
        """Ids of a block. Deterministic, and independent of how rows are cut into blocks."""
        ...


class HandlerKind(Protocol):
    """A handler's class: its constructor."""

    def __call__(self, options: HandlerOptions, encoder: Encoder) -> Handler: ...


def kept(rows: Rows, wrong: Sequence[int]) -> NDArray[np.int64]:
    """Places in the block of the rows that stay: all but the indexes in `wrong`. int64 [kept rows]."""
    import numpy as np

    places = np.array(rows.places, np.int64)
    return np.delete(places, list(wrong)) if wrong else places


def ordered(bad: List[BadRow]) -> List[BadRow]:
    """Bad rows of one block in the order of the file."""
    return sorted(bad, key=lambda row: row.number)
