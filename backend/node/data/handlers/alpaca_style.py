"""Alpaca rows (instruction, input, output) written down by a prompt template."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

from backend.node.data.handlers.conversations import (
    ASSISTANT,
    USER,
    Conversation,
    Message,
    SkippedRowError,
    as_text,
    is_empty,
    value_kind,
)
from backend.node.data.handlers.handler import HandlerOptions
from backend.node.data.handlers.map_keys import mapped
from backend.node.data.handlers.template_handler import InstructionHandler
from backend.node.data.rows import Rows

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder

# "history" may be mapped, but ModelLink never reads it; "" is a column that is not read unless mapped.
COLUMNS = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "history": "",
    "system": "",
    "chosen": "chosen",
    "rejected": "rejected",
}


class AlpacaColumns:
    """Which columns of an Alpaca file are read: the question's, `answers`, and the system text's when mapped.

    Raises JobError for map keys that say something else."""

    def __init__(self, map_keys: Optional[Mapping[str, Any]], answers: Tuple[str, ...]) -> None:
        self.names: Dict[str, str] = mapped(map_keys, COLUMNS)
        read = [self.names[name] for name in ("prompt", "query", *answers, "system") if self.names[name]]
        given = [self.names[name] for name in map_keys or {}]
        self.all = tuple(dict.fromkeys(read))
        # A file without any input is a file of rows without input.
        needed = [self.names[name] for name in ("prompt", *answers)]
        self.required = tuple(name for name in self.all if name in needed or name in given)

    def value(self, rows: Rows, index: int, name: str) -> Any:
        """What row `index` holds for one of ModelLink's names."""
        return rows.columns[self.names[name]][index]

    def question(self, rows: Rows, index: int) -> Message:
        """The user's message: instruction and input, a newline between them when neither is empty."""
        texts = [
            as_text(value, self.names[name])
            for name, value in ((name, self.value(rows, index, name)) for name in ("prompt", "query"))
            if not is_empty(value)
        ]
        return Message(USER, "\n".join(texts), self.names["prompt"])

    def answer(self, name: str, content: Any) -> Message:
        """The assistant's message, from the column of one of ModelLink's names."""
        return Message(ASSISTANT, content, self.names[name])

    def conversation(self, rows: Rows, index: int, *messages: Message) -> Conversation:
        """The messages, with the row's system text."""
        field = self.names["system"]
        return Conversation(messages, rows.columns[field][index] if field else "", "", field)


class AlpacaStyleInstructionHandler(InstructionHandler):
    """ModelLink's handler of the same name: one question and one answer a row."""

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        super().__init__(options, encoder)
        self._read = AlpacaColumns(options.map_keys, ("response",))
        self.columns, self.required = self._read.all, self._read.required

    def conversations(self, rows: Rows, index: int) -> List[Conversation]:
        """One conversation. An answer that is a list of several texts gives an empty question and answer
        instead. Raises UnusableRowError."""
        question = self._read.question(rows, index)
        answers = self._read.value(rows, index, "response")
        if isinstance(answers, str):
            answers = [answers]
        field = self._read.names["response"]
        if not isinstance(answers, list):
            why = _("it is {kind}, not a text: a row without an answer is left out")
            raise SkippedRowError(field, why.format(kind=value_kind(answers)))
        if not answers:
            raise SkippedRowError(field, _("it is an empty list: a row without an answer is left out"))
        if len(answers) > 1:
            question, answers = question._replace(content=""), [""]
        return [self._read.conversation(rows, index, question, self._read.answer("response", answers[0]))]
