"""The turns of MOSS conversations, in the order in which the reference sees them."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, Tuple, Union

from backend.node.data.handlers.fields import Wrong, no_text

if TYPE_CHECKING:
    from backend.node.data.rows import Rows

# What the user says and what the assistant says.
Turn = Tuple[str, str]


def read_turns(rows: Rows, column: str) -> Tuple[List[List[Turn]], Wrong]:
    """The turns of every row that can be used, and the rows that cannot.

    The reference makes a table of the rows, so that turns come in the order in which their names first
    appeared in the block, not in the row's own."""
    values = rows.columns[column]
    names = list(dict.fromkeys(name for value in values if isinstance(value, dict) for name in value))
    talks: List[List[Turn]] = []
    wrong: Wrong = {}
    for index, value in enumerate(values):
        found = _talk(value, names)
        if isinstance(found, str):
            wrong[index] = rows.bad_row(index, column, found)
        else:
            talks.append(found)
    return talks, wrong


def _talk(value: Any, names: List[str]) -> Union[List[Turn], str]:
    """The turns of one conversation, or what is wrong with it."""
    if not isinstance(value, dict):
        return _("an object of turns is due, and there is none")
    turns: List[Turn] = []
    for name in names if len(value) > 1 else value:
        turn = value.get(name)
        if turn is None:
            continue
        if not isinstance(turn, dict):
            return _("{turn} is not an object with Human and MOSS").format(turn=name)
        for speaker in ("Human", "MOSS"):
            if not _is_text(turn.get(speaker)):
                why = no_text(turn.get(speaker))
                return _("{speaker} of {turn}: {why}").format(speaker=speaker, turn=name, why=why)
        turns.append(_words(turn))
    return turns


def _words(turn: Dict[str, str]) -> Turn:
    """What is said, without MOSS's marks."""
    user = turn["Human"].replace("<eoh>", "").replace("<|Human|>: ", "").strip()
    assistant = turn["MOSS"].replace("<|MOSS|>:", "").replace("<eom>", "").strip()
    return user, assistant


def _is_text(value: Any) -> bool:
    """Whether it is a text that can be written as UTF-8."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
