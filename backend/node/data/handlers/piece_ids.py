"""The pieces of many conversations, each different text kept once, and their ids as arrays."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Dict, List, NamedTuple, Optional, Sequence

from backend.node.data.handlers.conversations import UnusableRowError, Written
from backend.node.data.handlers.slots import Mark, Slot, Token
from backend.node.data.ragged import Ragged, join, ragged, starts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.node.data.encoder import Encoder


class MessageIds(NamedTuple):
    """`ids`: one list a message; `per_row`: messages of each conversation, int64 [conversations]."""

    ids: Ragged
    per_row: NDArray[np.int64]

    def row_starts(self) -> NDArray[np.int64]:
        """The first message of each conversation: int64 [conversations]."""
        return starts(self.per_row)

    def row_lengths(self) -> NDArray[np.int64]:
        """How many ids each conversation has: int64 [conversations]."""
        import numpy as np

        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.ids.lengths)])
        first = self.row_starts()
        lengths: NDArray[np.int64] = ends[first + self.per_row] - ends[first]
        return lengths


class PieceIds:
    """Collects conversations (`add`), then encodes them in one go (`encode`)."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        # Where a piece's ids stand in the table: texts from 0 up, single ids -1, -2, ...; None: it has none.
        self._known: Dict[Slot, Optional[int]] = {"": None}
        self._texts: List[str] = []
        self._single: Dict[int, int] = {}
        self._order: List[int] = []
        self._per_message: List[int] = []
        self._per_row: List[int] = []

    def add(self, conversations: Sequence[Sequence[Written]]) -> None:
        """Conversations of one row. Raises UnusableRowError, and then none of them is added."""
        orders = [[self._indexes(message) for message in conversation] for conversation in conversations]
        for order in orders:
            self._per_row.append(len(order))
            for message in order:
                self._per_message.append(len(message))
                self._order += message

    def _indexes(self, message: Written) -> List[int]:
        known = self._known
        indexes = []
        for piece in message.pieces:
            index = known[piece] if piece in known else self._add_piece(piece, message.field)
            if index is not None:
                indexes.append(index)
        return indexes

    def _add_piece(self, piece: Slot, field: str) -> Optional[int]:
        """A piece's place in the table, when it is met for the first time. Raises UnusableRowError."""
        index: Optional[int] = None
        if isinstance(piece, str):
            _check_characters(piece, field)
            index = len(self._texts)
            self._texts.append(piece)
        else:
            ident = piece_id(piece, self._encoder)
            if ident is not None:
                index = self._single.setdefault(ident, -1 - len(self._single))
            elif isinstance(piece, Token):
                why = _("the tokenizer has no token {text}").format(text=piece.text)
                raise UnusableRowError(field, why)
        self._known[piece] = index
        return index

    def encode(self) -> MessageIds:
        """Ids of all conversations in the order they were added. Raises EncoderMismatchError."""
        import numpy as np

        encoded = self._encoder.plain(self._texts) if self._texts else ragged([])
        table = join([encoded, ragged([[ident] for ident in self._single])])
        order = np.array(self._order, np.int64)
        order = np.where(order < 0, len(self._texts) - 1 - order, order)
        chosen = pick(table, order)
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(chosen.lengths)])
        per_message = np.array(self._per_message, np.int64)
        first = starts(per_message)
        lengths = ends[first + per_message] - ends[first]
        return MessageIds(Ragged(chosen.flat, lengths), np.array(self._per_row, np.int64))


def piece_id(piece: Slot, encoder: Encoder) -> Optional[int]:
    """The id of a token or a mark, None where there is none; an unknown token gets that of "unknown"."""
    if isinstance(piece, Token):
        known = encoder.token_id(piece.text)
        return encoder.unknown if known is None else known
    return encoder.bos if piece is Mark.BOS else encoder.eos


def pick(table: Ragged, order: NDArray[np.int64]) -> Ragged:
    """The lists `order` of the table, one after the other; a list may be taken many times."""
    import numpy as np

    lengths = table.lengths[order]
    shift = np.repeat(starts(table.lengths)[order] - starts(lengths), lengths)
    return Ragged(table.flat[shift + np.arange(len(shift))], lengths)


def _check_characters(text: str, field: str) -> None:
    """Refuse half a surrogate pair: no encoder takes it. Raises UnusableRowError."""
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        why = _("it has a lone surrogate (U+{code:04X}), which is no character").format(
            code=ord(text[error.start])
        )
        raise UnusableRowError(field, why) from error
