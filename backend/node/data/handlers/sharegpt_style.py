"""ShareGPT rows (conversations of many turns) written down by a prompt template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Tuple

from backend.node.data.handlers.conversations import Conversation
from backend.node.data.handlers.handler import HandlerOptions
from backend.node.data.handlers.map_keys import check_names, mapped
from backend.node.data.handlers.sharegpt_tags import read_talk, tags_of
from backend.node.data.handlers.template_handler import InstructionHandler
from backend.node.data.rows import Rows

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder

# "kto_tag" may be mapped, but is of no use here; "" is a column that is not read unless mapped.
COLUMNS = {
    "messages": "conversations",
    "system": "",
    "tools": "",
    "chosen": "chosen",
    "rejected": "rejected",
    "kto_tag": "",
}
TAGS = "tags"


class SharegptColumns:
    """Which columns of a ShareGPT file are read: the messages', `answers`, and those of the system text and
    the tools when mapped; and the tags of the messages. Raises JobError for map keys that say else."""

    def __init__(self, map_keys: Optional[Mapping[str, Any]], answers: Tuple[str, ...] = ()) -> None:
        given = dict(map_keys or {})
        check_names(given, [*COLUMNS, TAGS])
        self.tags = tags_of(given.pop(TAGS, None))
        self.names = mapped(given, COLUMNS)
        read = [self.names[name] for name in ("messages", *answers, "system", "tools") if self.names[name]]
        self.all = tuple(dict.fromkeys(read))
        self.required = self.all

    def conversation(self, rows: Rows, index: int, answered: bool = True) -> Conversation:
        """The row's messages, its system text and tools. Raises UnusableRowError."""
        field = self.names["messages"]
        talk = read_talk(self.tags, rows.columns[field][index], field, answered)
        system_field = self.names["system"]
        if talk.has_system:
            return Conversation(tuple(talk.messages), talk.system, self._tools(rows, index), field)
        system = rows.columns[system_field][index] if system_field else ""
        return Conversation(tuple(talk.messages), system, self._tools(rows, index), system_field)

    def _tools(self, rows: Rows, index: int) -> Any:
        field = self.names["tools"]
        return rows.columns[field][index] if field else ""


class SharegptStyleInstructionHandler(InstructionHandler):
    """ModelLink's handler of the same name: a conversation a row, all answers trained."""

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        super().__init__(options, encoder)
        self._read = SharegptColumns(options.map_keys)
        self.columns, self.required = self._read.all, self._read.required

    def conversations(self, rows: Rows, index: int) -> List[Conversation]:
        """One conversation. Raises UnusableRowError."""
        return [self._read.conversation(rows, index)]
