"""Whether labels and mask of instruction data fit its ids, sequence by sequence.

A label is -100 or the id at its place. Two exceptions are right: where an end of text is taught in front of
a later turn (templates with "efficient EOS", and the MOSS multi-turn data) the label is the same as the last
of its sequence; and where the answer is shorter than the tokens that the tokenizer puts behind a prompt there
are more labels than ids, all -100. The mask is 1, or in packed sets the id itself, 1 at the padding.
"""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple

from backend.node.data.findings import Findings
from backend.node.data.handlers.handler import IGNORED
from backend.node.data.indexed import IndexedDataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STEP = 1 << 20
Pair = Tuple[str, IndexedDataset]


class _Piece(NamedTuple):
    """Sequences `numbers` (int64) of equal lengths in ids and labels: `ends` (int64) where each ends in `ids`
    and `labels`."""

    numbers: NDArray[np.int64]
    ends: NDArray[np.int64]
    ids: NDArray[Any]
    labels: NDArray[Any]


def check_labels(
    ids: Pair,
    labels: Pair,
    mask: Optional[Pair],
    report: Dict[str, Any],
    findings: Findings,
    tell: Callable[[int], None],
) -> None:
    """Compare the outputs of one sample: each a path (without suffix) and its data, all of as many sequences.

    Puts "trained" and "untrained_sequences" into the labels' `report`, what is wrong into `findings`; `tell`
    gets the bytes of each piece."""
    report["trained"], report["untrained_sequences"] = 0, 0
    holds_ids = mask is not None and _mask_holds_ids(ids[1], mask[1])
    for first, last in _ranges(ids[1]):
        _check_lengths(ids[1], labels, first, last, findings)
        piece = _equal_ones(ids[1], labels[1], first, last)
        _check_piece(piece, ids[1], labels[0], findings)
        _count(piece, last - first, report)
        tell(ids[1].span(first, last).nbytes + labels[1].span(first, last).nbytes)
        if mask is not None:
            _check_mask(ids[1], mask, first, last, holds_ids, findings)
            tell(mask[1].span(first, last).nbytes)


def _ranges(data: IndexedDataset) -> Iterator[Tuple[int, int]]:
    """Sequences first..last (without last) of about `_STEP` ids together, at least one."""
    import numpy as np

    first, itemsize = 0, data.tokens.dtype.itemsize
    while first < len(data):
        limit = int(data.offsets[first]) + _STEP * itemsize
        last = max(first + 1, int(np.searchsorted(data.offsets, limit, side="left")))
        last = min(last, first + _STEP)
        yield first, last
        first = last


def _check_lengths(ids: IndexedDataset, labels: Pair, first: int, last: int, findings: Findings) -> None:
    import numpy as np

    path, data = labels
    more = data.lengths[first:last].astype(np.int64) - ids.lengths[first:last]
    for number in (first + np.flatnonzero(more < 0)).tolist():
        what = _("there are {labels:,} labels for {ids:,} ids").format(
            labels=int(data.lengths[number]), ids=int(ids.lengths[number])
        )
        findings.add("length", path + ".idx", what, data.document_at(number), number)
    for number in (first + np.flatnonzero(more > 0)).tolist():
        trained = np.flatnonzero(data[number] != IGNORED)
        if len(trained):
            what = _("there are {labels:,} labels for {ids:,} ids, and not all are -100").format(
                labels=int(data.lengths[number]), ids=int(ids.lengths[number])
            )
            findings.add("length", path + ".bin", what, data.document_at(number), number, int(trained[0]))


def _equal_ones(ids: IndexedDataset, labels: IndexedDataset, first: int, last: int) -> _Piece:
    import numpy as np

    lengths = ids.lengths[first:last].astype(np.int64)
    others = labels.lengths[first:last].astype(np.int64)
    equal = lengths == others
    numbers = first + np.flatnonzero(equal)
    found, beside = ids.span(first, last), labels.span(first, last)
    if not equal.all():
        found, beside = found[np.repeat(equal, lengths)], beside[np.repeat(equal, others)]
    return _Piece(numbers, np.cumsum(lengths[equal]), found, beside)


def _check_piece(piece: _Piece, data: IndexedDataset, path: str, findings: Findings) -> None:
    import numpy as np

    places = np.flatnonzero((piece.labels != piece.ids) & (piece.labels != IGNORED))
    if not len(places):
        return
    owners = np.searchsorted(piece.ends, places, side="right")
    at_end = piece.ends[owners] - 1
    taught = (piece.labels[places] == piece.labels[at_end]) & (piece.labels[at_end] == piece.ids[at_end])
    wrong = np.flatnonzero(~taught)
    file = path + ".bin"
    shown = min(len(wrong), findings.room("label", file))
    for one in wrong[:shown].tolist():
        place, owner = int(places[one]), int(owners[one])
        number = int(piece.numbers[owner])
        position = place - int(piece.ends[owner]) + int(data.lengths[number])
        what = _("the label {label} stands where the id is {id}").format(
            label=int(piece.labels[place]), id=int(piece.ids[place])
        )
        findings.add("label", file, what, data.document_at(number), number, position)
    findings.count("label", file, len(wrong) - shown)


def _count(piece: _Piece, sequences: int, report: Dict[str, Any]) -> None:
    """Trained labels; sequences with more labels than ids have none."""
    import numpy as np

    so_far = np.concatenate([[0], np.cumsum(piece.labels != IGNORED)])
    counts = np.diff(so_far[np.concatenate([[0], piece.ends])])
    report["trained"] += int(counts.sum())
    report["untrained_sequences"] += sequences - int(np.count_nonzero(counts))


def _mask_holds_ids(ids: IndexedDataset, mask: IndexedDataset) -> bool:
    """Whether this is a packed set, where the mask's file repeats the ids: its first sequence shows it."""
    if not len(ids) or ids.lengths[0] != mask.lengths[0]:
        return False
    found, beside = ids[0], mask[0]
    return bool((beside != 1).any() and ((beside == found) | ((beside == 1) & (found == 0))).all())


def _check_mask(
    ids: IndexedDataset, mask: Pair, first: int, last: int, holds_ids: bool, findings: Findings
) -> None:
    import numpy as np

    path, data = mask
    wrong = np.flatnonzero(data.lengths[first:last] != ids.lengths[first:last])
    if len(wrong):
        for number in (first + wrong).tolist():
            what = _("the mask has {mask:,} entries for {ids:,} ids").format(
                mask=int(data.lengths[number]), ids=int(ids.lengths[number])
            )
            findings.add("mask", path + ".idx", what, data.document_at(number), number)
        return
    entries = data.span(first, last)
    bad = entries != 1
    if holds_ids:
        found = ids.span(first, last)
        bad = np.where(found == 0, entries > 1, entries != found)
    places = np.flatnonzero(bad)
    file = path + ".bin"
    shown = min(len(places), findings.room("mask", file))
    start = int(data.offsets[first]) // data.tokens.dtype.itemsize
    for place in (start + places[:shown]).tolist():
        number = data.sequence_at(place)
        position = place - int(data.offsets[number]) // data.tokens.dtype.itemsize
        what = _("the mask is {value} there").format(value=int(data.tokens[place]))
        findings.add("mask", file, what, data.document_at(number), number, position)
    findings.count("mask", file, len(places) - shown)
