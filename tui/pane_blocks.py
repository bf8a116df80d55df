"""A text made of blocks that fits a pane: what matters least is left out, the order stays; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest

from rich.text import Text


@dataclass(slots=True)
class PaneBlocks:
    """Blocks of whole lines, each with how soon it may be left out: 0 is never."""

    _blocks: list[tuple[int, Text]] = field(default_factory=list)

    def add(self, rank: int) -> Text:
        """A new block at the end, to be written to."""
        text = Text()
        self._blocks.append((rank, text))
        return text

    def fitted(self, height: int | None) -> tuple[Text, bool]:
        """In `height` lines, None: as many as it takes; and whether something was left out.

        Of equal rank the last goes first.
        """
        kept = [(rank, text, _lines(text)) for rank, text in self._blocks if text]
        left_out = False
        while height is not None and sum(lines for _rank, _text, lines in kept) > height:
            place = max(range(len(kept)), key=lambda at: (kept[at][0], at))
            if kept[place][0] == 0:
                break
            del kept[place]
            left_out = True
        whole = Text().join(text for _rank, text, _lines_of in kept)
        whole.right_crop(1)
        return whole, left_out


def beside(left: Text, right: Text, column: int) -> Text:
    """The lines of `right` begin at `column`; what reaches so far on the left is cut."""
    rows = list(zip_longest(left.split("\n"), right.split("\n"), fillvalue=Text()))
    lines = []
    for first, second in rows:
        line = first.copy()
        line.truncate(column - 1, pad=bool(second))
        lines.append(line + Text(" ") + second if second else line)
    return Text("\n").join(lines)


def _lines(text: Text) -> int:
    return text.plain.count("\n")
