"""Conversations as question and answer pairs: their length limit, and which ids are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Sequence

from backend.node.data.handlers.handler import IGNORED
from backend.node.data.handlers.piece_ids import MessageIds
from backend.node.data.ragged import Ragged, starts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# ids of one conversation; what is beyond is cut off (ModelLink's cutoff_len).
LIMIT = 1_000_000
DROPPED = -1


def cut_lengths(lengths: Sequence[int], limit: int = LIMIT) -> List[int]:
    """How many ids of each message of one conversation stay, in pairs; DROPPED for the messages behind the
    limit. A pair over the limit keeps its answer's share of the room, at least one id."""
    kept: List[int] = []
    room = limit
    for source, target in zip(lengths[::2], lengths[1::2]):
        if room <= 0:
            kept += [DROPPED, DROPPED]
            continue
        share = int(room * (target / (source + target))) if source + target else 0
        share = max(share, 1)
        pair = [min(source, room - min(share, target)), min(target, share)]
        room -= sum(pair)
        kept += pair
    return kept


def cut_long(messages: MessageIds, limit: int = LIMIT) -> MessageIds:
    """The same conversations within the limit; every one has an even number of messages, before and after."""
    import numpy as np

    # At exactly the limit the share is rounded too, so equal counts as long.
    long = np.flatnonzero(messages.row_lengths() >= limit)
    if len(long) == 0:
        return messages
    lengths = messages.ids.lengths
    wanted = lengths.copy()
    first = messages.row_starts()
    for row in long:
        own = slice(first[row], first[row] + messages.per_row[row])
        wanted[own] = cut_lengths(lengths[own].tolist(), limit)
    position = np.arange(len(messages.ids.flat)) - np.repeat(starts(lengths), lengths)
    flat = messages.ids.flat[position < np.repeat(wanted, lengths)]
    stays = wanted != DROPPED
    per_row = np.add.reduceat(stays.astype(np.int64), first)
    return MessageIds(Ragged(flat, wanted[stays]), per_row)


def samples(messages: MessageIds) -> Ragged:
    """The ids of each conversation."""
    return Ragged(messages.ids.flat, messages.row_lengths())


def masked(source: Ragged) -> Ragged:
    """Lists of the same lengths that are not trained at all."""
    import numpy as np

    return Ragged(np.full(len(source.flat), IGNORED, np.int32), source.lengths)


def labels(messages: MessageIds, turn_end: Optional[int]) -> Ragged:
    """The ids of the answers, IGNORED for the questions. With `turn_end` the first id of every question but
    the conversation's first is that id: it stands there even for a question without ids, so that labels can
    be longer than ids."""
    import numpy as np

    lengths = messages.ids.lengths
    question = np.arange(len(lengths)) % 2 == 0
    flat = np.where(np.repeat(question, lengths), np.int32(IGNORED), messages.ids.flat)
    per_row = messages.row_lengths()
    if turn_end is None:
        return Ragged(flat, per_row)
    begin = starts(lengths)
    later = question & (begin > np.repeat(starts(per_row), messages.per_row))
    flat[begin[later & (lengths > 0)]] = turn_end
    added = later & (lengths == 0)
    if added.any():
        flat = np.insert(flat, begin[added], turn_end).astype(np.int32)
        per_row = per_row + _count_by_row(added, messages)
    return Ragged(flat, per_row)


def _count_by_row(flags: NDArray[np.bool_], messages: MessageIds) -> NDArray[np.int64]:
    import numpy as np

    counts: NDArray[np.int64] = np.add.reduceat(flags.astype(np.int64), messages.row_starts())
    return counts
