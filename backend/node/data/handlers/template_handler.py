"""What all handlers that follow a prompt template have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from gettext import gettext as _
from typing import TYPE_CHECKING, Dict, List, NamedTuple, Optional, Tuple

from backend.node.data.handlers.conversations import (
    Conversation,
    SkippedRowError,
    UnusableRowError,
    written,
)
from backend.node.data.handlers.handler import Encoded, HandlerOptions, Part, ordered
from backend.node.data.handlers.pairs import cut_long, labels, samples
from backend.node.data.handlers.piece_ids import MessageIds, PieceIds, piece_id
from backend.node.data.handlers.slots import Token
from backend.node.data.handlers.templates import Template, template_named
from backend.node.data.ragged import Ragged, take, weave
from backend.node.data.rows import BadRow, Rows
from backend.node.job_lines import JobError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.node.data.encoder import Encoder

IDS = "input_ids"
MASK = "attention_mask"
LABELS = "labels"


class Read(NamedTuple):
    """Rows as conversations: ids of their messages within the limit; the indexes of the rows that have
    conversations; the rows that cannot be used, and those left out."""

    messages: MessageIds
    indexes: List[int]
    bad: List[BadRow]
    skipped: List[BadRow]


class TemplateHandler(ABC):
    """Reads rows as conversations and writes them down as its template says.

    Raises JobError when it is made: for an unknown template, for wrong map keys, and for a tokenizer that
    lacks what the template needs."""

    columns: Tuple[str, ...]
    required: Tuple[str, ...]
    outputs: Tuple[str, ...]
    packed = True

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        self.template = template_named(options.prompt_type)
        self.encoder = encoder
        self.eos = _check_tokens(self.template, encoder)

    @abstractmethod
    def conversations(self, rows: Rows, index: int) -> List[Conversation]:
        """Row `index` as conversations, of every row the same number. Raises UnusableRowError."""

    @abstractmethod
    def encode(self, rows: Rows) -> Encoded:
        """Ids of a block."""

    def read(self, rows: Rows) -> Read:
        """All usable rows of a block, encoded. Raises EncoderMismatchError."""
        table = PieceIds(self.encoder)
        read = Read(MessageIds(weave(0, []), _no_rows()), [], list(rows.bad), [])
        for index in range(len(rows.numbers)):
            try:
                talks = self.conversations(rows, index)
                table.add([written(self.template, talk) for talk in talks])
            except SkippedRowError as error:
                read.skipped.append(rows.bad_row(index, error.field, error.why))
            except UnusableRowError as error:
                read.bad.append(rows.bad_row(index, error.field, error.why))
            else:
                read.indexes.append(index)
        return read._replace(messages=cut_long(table.encode())) if read.indexes else read

    def encoded(
        self,
        rows: Rows,
        read: Read,
        parts: Dict[str, Optional[Ragged]],
        empty: Optional[NDArray[np.bool_]] = None,
    ) -> Encoded:
        """The block's result: one sequence a row. Rows flagged in `empty` have no ids, which is an error."""
        import numpy as np

        indexes = np.array(read.indexes, np.int64)
        bad = read.bad
        if empty is not None and empty.any():
            why = _("the row gives no ids at all: all of its texts are empty")
            bad = bad + [rows.bad_row(index, "", why) for index in indexes[empty].tolist()]
            parts = {key: ids if ids is None else take(ids, ~empty) for key, ids in parts.items()}
            indexes = indexes[~empty]
        places = np.array(rows.places, np.int64)[indexes]
        ones = np.ones(len(indexes), np.int64)
        return Encoded(
            rows.total,
            places,
            {key: Part(ids, ones) for key, ids in parts.items()},
            ordered(bad),
            read.skipped,
        )


class InstructionHandler(TemplateHandler):
    """One conversation a row; only the answers are trained."""

    outputs: Tuple[str, ...] = (IDS, MASK, LABELS)

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        super().__init__(options, encoder)
        self._ends = [self.eos] * (self.template.efficient_eos + options.append_eod)

    def encode(self, rows: Rows) -> Encoded:
        """Ids of a block: every answer's ids are labels, every question's are not."""
        read = self.read(rows)
        efficient = self.template.efficient_eos
        ids = samples(read.messages)
        trained = labels(read.messages, self.eos if efficient else None)
        count = len(ids.lengths)
        parts = {
            IDS: weave(count, [ids, self._ends]),
            MASK: None,
            LABELS: weave(count, [trained, self._ends]),
        }
        return self.encoded(rows, read, parts, None if efficient else ids.lengths == 0)


def _no_rows() -> NDArray[np.int64]:
    import numpy as np

    return np.empty(0, np.int64)


def _check_tokens(template: Template, encoder: Encoder) -> int:
    """See that the tokenizer has what every sample of the template needs; its EOS. Raises JobError."""
    why = _("the prompt template {name} needs it").format(name=template.name)
    fix = _("choose the template that belongs to the model")
    if template.needs_bos and encoder.bos is None:
        raise JobError("prompt_type", _("the tokenizer has no beginning-of-text token"), why, fix)
    missing = [
        slot.text
        for slot in template.prefix + template.user
        if isinstance(slot, Token) and piece_id(slot, encoder) is None
    ]
    if missing:
        what = _("the tokenizer has no token {names}").format(names=", ".join(missing))
        raise JobError("prompt_type", what, why, fix)
    if encoder.eos is None:
        raise JobError("prompt_type", _("the tokenizer has no end-of-text token"), why, fix)
    return encoder.eos
