"""Whether all ids of a pair are tokens of the vocabulary."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional

from backend.node.data.findings import Findings
from backend.node.data.handlers.handler import IGNORED
from backend.node.data.indexed import IndexedDataset
from backend.node.data.token_sets import TokenSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP = 1 << 21


def check(
    found: TokenSet,
    data: IndexedDataset,
    vocabulary: Optional[int],
    report: Dict[str, Any],
    findings: Findings,
    tell: Callable[[int], None],
) -> None:
    """Put "smallest" and "largest" id into `report` (None without tokens; -100 of labels does not count).

    Every id that is negative, or `vocabulary` or more, is a finding. `tell` gets the bytes of each piece."""
    import numpy as np

    labels = found.packed and found.key.endswith("labels")
    smallest: Optional[int] = None
    largest: Optional[int] = None
    for start in range(0, len(data.tokens), _STEP):
        piece: NDArray[Any] = data.tokens[start : start + _STEP]
        low, high = int(piece.min()), int(piece.max())
        if labels and low < 0:
            ids = piece[piece != IGNORED]
            low, high = (int(ids.min()), int(ids.max())) if len(ids) else (0, 0)
            smallest, largest = _wider(smallest, largest, low, high) if len(ids) else (smallest, largest)
        else:
            smallest, largest = _wider(smallest, largest, low, high)
        if low < 0 or (vocabulary is not None and high >= vocabulary):
            wrong = (piece < 0) & (piece != IGNORED) if labels else piece < 0
            if vocabulary is not None:
                wrong |= piece >= vocabulary
            _list(found, data, start + np.flatnonzero(wrong), vocabulary, findings)
        tell(piece.nbytes)
    report["smallest"], report["largest"] = smallest, largest


def _wider(smallest: Optional[int], largest: Optional[int], low: int, high: int) -> tuple[int, int]:
    return (
        low if smallest is None else min(smallest, low),
        high if largest is None else max(largest, high),
    )


def _list(
    found: TokenSet, data: IndexedDataset, places: NDArray[Any], vocabulary: Optional[int], findings: Findings
) -> None:
    """`places`: of the wrong ids in `data.tokens`, ascending."""
    file = found.path + ".bin"
    shown = min(len(places), findings.room("range", file))
    for place in places[:shown].tolist():
        ident = int(data.tokens[place])
        if ident < 0:
            what = _("the id {id} is negative").format(id=ident)
        else:
            what = _("the id {id} is not in a vocabulary of {count:,} tokens").format(
                id=ident, count=vocabulary
            )
        sequence = data.sequence_at(place)
        position = place - int(data.offsets[sequence]) // data.tokens.dtype.itemsize
        findings.add("range", file, what, data.document_at(sequence), sequence, position)
    findings.count("range", file, len(places) - shown)
