"""ShareGPT rows: lists of messages with tags that say who speaks."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from backend.node.data.handlers.conversations import (
    ASSISTANT,
    FUNCTION,
    OBSERVATION,
    SYSTEM,
    USER,
    Message,
    SkippedRowError,
    UnusableRowError,
    value_kind,
)
from backend.node.data.handlers.map_keys import FIELD, check_names
from backend.node.job_lines import JobError

# A tag from a file can be any text; more of it would hide the message around it.
SHOWN_CHARACTERS = 40


class Tags(NamedTuple):
    """The keys of a message, and the tags of those who speak; None: the file has no such tag."""

    role_tag: str = "from"
    content_tag: str = "value"
    user_tag: Optional[str] = "human"
    assistant_tag: Optional[str] = "gpt"
    observation_tag: Optional[str] = "observation"
    function_tag: Optional[str] = "function_call"
    system_tag: Optional[str] = "system"

    def roles(self) -> Dict[Optional[str], str]:
        """The role that a tag stands for; of equal tags the last one counts."""
        return {
            self.user_tag: USER,
            self.assistant_tag: ASSISTANT,
            self.observation_tag: OBSERVATION,
            self.function_tag: FUNCTION,
            self.system_tag: SYSTEM,
        }

    def askers(self) -> Tuple[Optional[str], ...]:
        """Tags that may stand at odd places, from 1."""
        return self.user_tag, self.observation_tag

    def answerers(self) -> Tuple[Optional[str], ...]:
        """Tags that may stand at even places."""
        return self.assistant_tag, self.function_tag


def tags_of(given: Any) -> Tags:
    """The tags of --map-keys; those not given are none. Raises JobError."""
    if given is None:
        return Tags()
    if not isinstance(given, dict):
        what = _("the tags are {kind}, not an object").format(kind=value_kind(given))
        raise JobError(
            FIELD, what, "", _('for example {"tags": {"role_tag": "role", "content_tag": "content"}}')
        )
    check_names(given, Tags._fields)
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            what = _("{name} is {kind}, not a text").format(name=name, kind=value_kind(value))
            raise JobError(FIELD, what)
    missing = [name for name in ("role_tag", "content_tag") if not given.get(name)]
    if missing:
        what = _("the tags do not say {names}").format(names=", ".join(missing))
        why = _("when tags are given, all that is not given does not exist in the file")
        raise JobError(FIELD, what, why)
    values: Dict[str, Any] = {name: given.get(name) for name in Tags._fields}
    return Tags(**values)


class Talk(NamedTuple):
    """The messages of a row without the system message; `system`: its text, when there is one."""

    messages: List[Message]
    has_system: bool
    system: Any


def read_talk(tags: Tags, values: Any, field: str, answered: bool) -> Talk:
    """Messages of one row: by turns one that asks and one that answers, the last one an answer when
    `answered`, else a question. Raises UnusableRowError for what is no list of messages, SkippedRowError when
    the messages are not by turns."""
    entries = _entries(values, field)
    if not entries and tags.system_tag:
        raise UnusableRowError(field, _("it is an empty list of messages"))
    has_system = bool(tags.system_tag) and entries[0].get(tags.role_tag) == tags.system_tag
    system = entries[0].get(tags.content_tag) if has_system else None
    messages: List[Message] = []
    fault = ""
    for number, entry in enumerate(entries[has_system:]):
        expected = tags.answerers() if number % 2 else tags.askers()
        place = number + 1 + has_system
        messages.append(read_message(tags, entry, field, place))
        if not fault and entry.get(tags.role_tag) not in expected:
            fault = _("message {number} is from {tag}, out of turn").format(
                number=place, tag=_shown(entry.get(tags.role_tag))
            )
    if not messages:
        fault = _("there is no message but the system text") if has_system else _("there is no message")
    elif not fault and len(messages) % 2 == answered:
        fault = _("the last message is no answer") if answered else _("the last message is no question")
    if fault:
        raise SkippedRowError(field, _("{fault}: the row is left out").format(fault=fault))
    return Talk(messages, has_system, system)


def read_message(tags: Tags, entry: Mapping[str, Any], field: str, number: int) -> Message:
    """One message; `number`: its place in the file's list (from 1), 0 when it is not in a list. Raises
    UnusableRowError for an unknown tag."""
    tag = entry.get(tags.role_tag)
    roles = tags.roles()
    if not (tag is None or isinstance(tag, str)) or tag not in roles:
        if number:
            why = _("message {number} is from {tag}, an unknown role").format(number=number, tag=_shown(tag))
        else:
            why = _("it is from {tag}, an unknown role").format(tag=_shown(tag))
        raise UnusableRowError(field, why)
    return Message(roles[tag], entry.get(tags.content_tag), field, number)


def _entries(values: Any, field: str) -> List[Dict[str, Any]]:
    """The list of messages, each an object. Raises UnusableRowError."""
    if not isinstance(values, list):
        raise UnusableRowError(
            field, _("it is {kind}, not a list of messages").format(kind=value_kind(values))
        )
    for number, entry in enumerate(values, 1):
        if not isinstance(entry, dict):
            why = _("message {number} is {kind}, not an object").format(number=number, kind=value_kind(entry))
            raise UnusableRowError(field, why)
    return values


def _shown(tag: Any) -> str:
    """A tag as it stands in a sentence."""
    if not isinstance(tag, str):
        return value_kind(tag)
    short = tag if len(tag) <= SHOWN_CHARACTERS else tag[:SHOWN_CHARACTERS] + "…"
    return _("“{tag}”").format(tag=short)
