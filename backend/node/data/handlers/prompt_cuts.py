"""Where the instruction prompt may be cut so that the ids of the pieces are those of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional, Tuple

from backend.node.data.encoder import AT_NEWLINES, AT_WORDS
from backend.node.data.handlers.instruction_prompt import ASSISTANT, OPENING, USER
from backend.node.data.handlers.text_finder import TextFinder

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder

_SIGNS = "###"


class Cuts(NamedTuple):
    """A sample is start + front + tail, and a conversation start + front + tail + more + front … + tail.

    `skip`: characters of the first heading that belong to the start; `link`: what follows the messages before
    an answer; `head`: what the tail has before the answer; `more`: what follows an answer that is not the
    last; `borders`: the two characters around each cut, which no added token may hold."""

    start: str
    skip: int
    link: str
    head: str
    more: str
    borders: Tuple[str, ...]

    def front(self, asked: str) -> str:
        """The piece from the start to the last answer; `asked`: the messages in between."""
        return (asked + self.link)[self.skip :]

    def tail(self, answer: str) -> str:
        """The piece with the last answer."""
        return f"{self.head}{answer}\n"


# A heading is ### and a word: every regex that cuts a text into words cuts between them.
_WORDS = Cuts(
    OPENING + _SIGNS, len(_SIGNS), _SIGNS, ASSISTANT[len(_SIGNS) :] + "\n", _SIGNS, (_SIGNS[-1] + " ",)
)
_NEWLINES = Cuts(OPENING, 0, ASSISTANT, "\n", "", ("\n#", ":\n"))


def cuts_for(encoder: Encoder) -> Optional[Cuts]:
    """The cuts that suit a tokenizer; None where it must see every text whole."""
    cuts = {AT_WORDS: _WORDS, AT_NEWLINES: _NEWLINES}.get(encoder.cuts)
    if cuts is None or encoder.before is None or encoder.after is None:
        return None
    if any(border in text for border in cuts.borders for text in encoder.special_texts):
        return None
    skeleton = [f"{OPENING}{USER}\n", f"\n{USER}\n", f"\n{ASSISTANT}\n"]
    return None if any(TextFinder(encoder.special_texts).search(skeleton)) else cuts
