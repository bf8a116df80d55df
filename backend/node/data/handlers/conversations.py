"""A row as a conversation, and the conversation as the pieces of text that a template makes of it."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, List, NamedTuple, Tuple

from backend.node.data.handlers.slots import Slot, fill, fill_call, fill_turn
from backend.node.data.handlers.templates import Template
from backend.node.data.handlers.tools_text import function_call, tools_text

USER = "user"
ASSISTANT = "assistant"
OBSERVATION = "observation"
FUNCTION = "function"
SYSTEM = "system"


class UnusableRowError(Exception):
    """A row that cannot be used. `field`: its column; `why`: what is wrong with it, in words."""

    def __init__(self, field: str, why: str) -> None:
        self.field = field
        self.why = why
        super().__init__(why)


class SkippedRowError(UnusableRowError):
    """A row that the handler's own rules leave out."""


class Message(NamedTuple):
    """What one side says. `content` is as the file has it; `field`: the column it comes from; `number`: its
    place (from 1) in a list of messages there, 0 where the column holds nothing else."""

    role: str
    content: Any
    field: str
    number: int = 0


class Conversation(NamedTuple):
    """Messages by turns, the odd ones (from 0) are the answers. `system` and `tools` are as the file has
    them; `system_field`: the column of the system text."""

    messages: Tuple[Message, ...]
    system: Any = ""
    tools: Any = ""
    system_field: str = ""


class Written(NamedTuple):
    """A message written down: its pieces, each to be encoded alone, and the column it comes from."""

    pieces: List[Slot]
    field: str


def value_kind(value: Any) -> str:
    """What a value is, in words: "a number"."""
    if value is None:
        return _("null or absent")
    if isinstance(value, bool):
        return _("true or false")
    if isinstance(value, (int, float)):
        return _("a number")
    if isinstance(value, str):
        return _("a text")
    if isinstance(value, list):
        return _("a list")
    if isinstance(value, dict):
        return _("an object")
    return _("a value of type {name}").format(name=type(value).__name__)


def as_text(value: Any, field: str, number: int = 0) -> str:
    """The value, when it is a text; `number` is that of its message, 0 for none. Raises UnusableRowError."""
    if isinstance(value, str):
        return value
    kind = value_kind(value)
    if number:
        why = _("the content of message {number} is {kind}, not a text").format(number=number, kind=kind)
        raise UnusableRowError(field, why)
    raise UnusableRowError(field, _("it is {kind}, not a text").format(kind=kind))


def is_empty(value: Any) -> bool:
    """Whether a value counts as no text at all: null, "" and empty lists and objects."""
    return value is None or (isinstance(value, (str, list, dict)) and not value)


def written(template: Template, conversation: Conversation) -> List[Written]:
    """All messages as the template writes them. Raises UnusableRowError."""
    system = _system_slots(template, conversation)
    messages: List[Written] = []
    for number, message in enumerate(conversation.messages):
        before: List[Slot] = []
        front = ""
        if number == 0:
            before += template.prefix
            if template.system_in_user:
                front = "".join(slot for slot in system if isinstance(slot, str))
            else:
                before += system
        elif number % 2 == 0:
            before += template.separator
        messages.append(Written(before + _filled(template, message, number, front), message.field))
    return messages


def _system_slots(template: Template, conversation: Conversation) -> List[Slot]:
    """The system pieces; none where there is neither a system text nor a tool."""
    system, tools = conversation.system, conversation.tools
    text = template.default_system if is_empty(system) else as_text(system, conversation.system_field)
    if tools and template.tells_tools:
        return fill(template.system, text + tools_text(tools))
    # Tools that cannot be told still bring the system pieces, with nothing in them.
    return fill(template.system, text) if text or tools else []


def _filled(template: Template, message: Message, number: int, front: str) -> List[Slot]:
    """One message's own pieces; `front` is put before a user's content."""
    role, content, field, place = message
    if role == FUNCTION:
        name, arguments = function_call(content)
        if not isinstance(name, str):
            why = _("message {number} calls a function whose name is {kind}, not a text")
            raise UnusableRowError(field, why.format(number=place, kind=value_kind(name)))
        return fill_call(template.function, name, arguments)
    text = as_text(content, field, place)
    if role == ASSISTANT:
        return fill(template.assistant, text)
    if role == OBSERVATION:
        return fill(template.observation, text)
    if role != USER:
        why = _("message {number} has a role that no message may have").format(number=place)
        raise UnusableRowError(field, why)
    if template.system_in_user:
        return fill(template.user, front + text)
    return fill_turn(template.user, text, number // 2)
