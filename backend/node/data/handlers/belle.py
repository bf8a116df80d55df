"""BelleMultiTurnInstructionHandler: a conversation of several turns inside one text."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, List

from backend.node.data.handlers.fields import Wrong
from backend.node.data.handlers.instruction import InstructionHandler
from backend.node.data.handlers.instruction_prompt import assistant_message, user_message
from backend.node.data.handlers.prompt_mask import Exchange

if TYPE_CHECKING:
    from backend.node.data.rows import Rows

_HUMAN = "Human:"
_ASSISTANT = "Assistant:"


class BelleMultiTurnInstructionHandler(InstructionHandler):
    """instruction holds `Human: … Assistant: …` any number of times; output replaces what it ends with."""

    columns = ("instruction", "output")

    def exchanges(self, rows: Rows, wrong: Wrong) -> List[Exchange]:
        found: List[Exchange] = []
        for index, (instruction, output) in enumerate(zip(*(rows.columns[name] for name in self.columns))):
            if index in wrong:
                continue
            messages = _messages(instruction)
            if messages:
                found.append(("".join(messages[:-1]), output.strip()))
            else:
                wrong[index] = rows.bad_row(index, "instruction", _("there is no message in the text"))
        return found


def _messages(instruction: str) -> List[str]:
    """The messages with their headings; a turn without Assistant: counts as the assistant's."""
    messages: List[str] = []
    for turn in filter(None, instruction.split(_HUMAN)):
        first, divided, rest = turn.partition(_ASSISTANT)
        if divided:
            answer = rest.partition(_ASSISTANT)[0]
            messages += (user_message(first.strip()), assistant_message(answer.strip()))
        else:
            messages.append(assistant_message(first.strip()))
    return messages
