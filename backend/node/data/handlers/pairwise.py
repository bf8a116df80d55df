"""Rows with a chosen and a rejected answer to the same question, for reward models and DPO."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from backend.node.data.handlers.alpaca_style import AlpacaColumns
from backend.node.data.handlers.conversations import (
    Conversation,
    Message,
    SkippedRowError,
    UnusableRowError,
    value_kind,
)
from backend.node.data.handlers.handler import Encoded, HandlerOptions
from backend.node.data.handlers.pairs import masked
from backend.node.data.handlers.piece_ids import MessageIds
from backend.node.data.handlers.sharegpt_style import SharegptColumns
from backend.node.data.handlers.sharegpt_tags import read_message
from backend.node.data.handlers.template_handler import TemplateHandler
from backend.node.data.ragged import Ragged, take, weave
from backend.node.data.rows import Rows

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder

CHOSEN = "chosen"
REJECTED = "rejected"


class PairwiseHandler(TemplateHandler):
    """Two conversations a row, equal but for their last answer; the question's ids are the first one's."""

    outputs: Tuple[str, ...] = ("chosen_input_ids", "chosen_labels", "rejected_input_ids", "rejected_labels")

    def encode(self, rows: Rows) -> Encoded:
        """Ids of a block: only the last answers are trained. --append-eod has no effect, as in ModelLink."""
        read = self.read(rows)
        prompt, chosen, rejected = split_last(read.messages)
        count = len(prompt.lengths)
        hidden = masked(prompt)
        end = [self.eos] if self.template.efficient_eos else []
        parts: Dict[str, Optional[Ragged]] = {
            "chosen_input_ids": weave(count, [prompt, chosen, end]),
            "chosen_labels": weave(count, [hidden, chosen, end]),
            "rejected_input_ids": weave(count, [prompt, rejected, end]),
            "rejected_labels": weave(count, [hidden, rejected, end]),
        }
        return self.encoded(rows, read, parts)


def split_last(messages: MessageIds) -> Tuple[Ragged, Ragged, Ragged]:
    """Of every two conversations: all but the last message of the first one, its last message, and the last
    message of the second one."""
    import numpy as np

    last = np.zeros(len(messages.ids.lengths), np.bool_)
    ends = messages.row_starts() + messages.per_row - 1
    first, second = ends[::2], ends[1::2]
    last[first] = True
    chosen = take(messages.ids, last)
    other = np.zeros(len(last), np.bool_)
    other[second] = True
    rejected = take(messages.ids, other)
    of_first = np.repeat(np.arange(len(messages.per_row)) % 2 == 0, messages.per_row)
    before = take(messages.ids, of_first & ~last)
    lengths = messages.row_lengths()[::2] - chosen.lengths
    return Ragged(before.flat, lengths), chosen, rejected


class AlpacaStylePairwiseHandler(PairwiseHandler):
    """ModelLink's handler of the same name."""

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        super().__init__(options, encoder)
        self._read = AlpacaColumns(options.map_keys, (CHOSEN, REJECTED))
        self.columns, self.required = self._read.all, self._read.required

    def conversations(self, rows: Rows, index: int) -> List[Conversation]:
        """The chosen and the rejected one. Lists give the first of the chosen and the second of the rejected
        texts. Raises UnusableRowError."""
        question = self._read.question(rows, index)
        chosen = self._read.value(rows, index, CHOSEN)
        rejected = self._read.value(rows, index, REJECTED)
        if isinstance(chosen, list):
            chosen, rejected = self._member(chosen, 0, CHOSEN), self._member(rejected, 1, REJECTED)
        elif not isinstance(chosen, str):
            why = _("it is {kind}, not a text: a row without a chosen answer is left out")
            raise SkippedRowError(self._read.names[CHOSEN], why.format(kind=value_kind(chosen)))
        answers = (self._read.answer(CHOSEN, chosen), self._read.answer(REJECTED, rejected))
        return [self._read.conversation(rows, index, question, answer) for answer in answers]

    def _member(self, values: Any, place: int, name: str) -> Any:
        field = self._read.names[name]
        if not isinstance(values, list):
            raise UnusableRowError(field, _("it is {kind}, not a list").format(kind=value_kind(values)))
        if len(values) <= place:
            why = _("its list has {count} texts, number {number} is needed")
            raise UnusableRowError(field, why.format(count=len(values), number=place + 1))
        return values[place]


class SharegptStylePairwiseHandler(PairwiseHandler):
    """ModelLink's handler of the same name."""

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        super().__init__(options, encoder)
        self._read = SharegptColumns(options.map_keys, (CHOSEN, REJECTED))
        self.columns, self.required = self._read.all, self._read.required

    def conversations(self, rows: Rows, index: int) -> List[Conversation]:
        """The chosen and the rejected one. Raises UnusableRowError."""
        talk = self._read.conversation(rows, index, answered=False)
        answers = [self._answer(rows, index, name) for name in (CHOSEN, REJECTED)]
        return [talk._replace(messages=(*talk.messages, answer)) for answer in answers]

    def _answer(self, rows: Rows, index: int, name: str) -> Message:
        field, tags = self._read.names[name], self._read.tags
        value = rows.columns[field][index]
        if not isinstance(value, dict):
            raise UnusableRowError(field, _("it is {kind}, not a message").format(kind=value_kind(value)))
        message = read_message(tags, value, field, 0)
        if value.get(tags.role_tag) not in tags.answerers():
            raise SkippedRowError(field, _("it is no answer of the assistant: the row is left out"))
        return message
