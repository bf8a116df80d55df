"""The parts of a prompt template: texts with places to fill, named tokens, and the marks BOS and EOS."""

from __future__ import annotations

from enum import Enum
from typing import List, NamedTuple, Tuple, Union

CONTENT = "{{content}}"
IDX = "{{idx}}"
NAME = "{{name}}"
ARGUMENTS = "{{arguments}}"


class Token(NamedTuple):
    """A token of the vocabulary by its text: its id stands there, whatever encoding the text would give."""

    text: str


class Mark(Enum):
    """A special token of the tokenizer at hand."""

    BOS = "bos"
    EOS = "eos"


# A text is encoded alone, not together with its neighbours.
Slot = Union[str, Token, Mark]
Slots = Tuple[Slot, ...]


def fill(slots: Slots, content: str) -> List[Slot]:
    """The slots with `content` in the first place for it of every text."""
    return [slot.replace(CONTENT, content, 1) if isinstance(slot, str) else slot for slot in slots]


def fill_turn(slots: Slots, content: str, idx: int) -> List[Slot]:
    """As `fill`, then the turn's number in the first place for it, the content's own text included."""
    return [
        slot.replace(CONTENT, content, 1).replace(IDX, str(idx), 1) if isinstance(slot, str) else slot
        for slot in slots
    ]


def fill_call(slots: Slots, name: str, arguments: str) -> List[Slot]:
    """The slots with a function's name and its arguments in all places for them."""
    return [
        slot.replace(NAME, name).replace(ARGUMENTS, arguments) if isinstance(slot, str) else slot
        for slot in slots
    ]
