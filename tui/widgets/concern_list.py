"""What is wrong in the fleet, worst first; choosing one moves the grid's cursor there."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from backend.translation import _
from tui.concerns import Concern
from tui.finding_words import concern_text
from tui.inks import Inks

MOST = 100  # lines enough for one pair of eyes


class ConcernList(OptionList):
    @dataclass
    class ConcernChosen(Message):
        node: str
        index: int

    def __init__(self, inks: Inks, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._inks = inks
        self._concerns: list[Concern] = []
        self._quiet = ""
        self._room = 0  # the width that the prompts were written for

    def show_concerns(self, concerns: list[Concern], quiet: str) -> None:
        """`quiet` is said when there is nothing to complain of. Rebuilt only when something differs."""
        room = max(20, self.size.width - 4)
        if concerns == self._concerns and quiet == self._quiet and room == self._room:
            return
        self._room = room
        more = len(concerns) - MOST
        kept = self._at_cursor()
        self._concerns, self._quiet = concerns, quiet
        prompts = [concern_text(concern, self._inks, room) for concern in concerns[:MOST]]
        prompts = prompts or [Text(quiet, self._inks["dim"])]
        if more > 0:
            prompts.append(Text(_("and {n} more: the grid shows them all").format(n=more), self._inks["dim"]))
        self.clear_options()
        self.add_options([Option(prompt, disabled=not concerns) for prompt in prompts])
        places = [(one.node, one.index) for one in concerns[:MOST]]
        if kept in places:
            self.highlighted = places.index(kept)

    def on_resize(self) -> None:
        self.show_concerns(self._concerns, self._quiet)

    def _at_cursor(self) -> tuple[str, int] | None:
        if self.highlighted is None or self.highlighted >= len(self._concerns):
            return None
        one = self._concerns[self.highlighted]
        return one.node, one.index

    def forget(self) -> None:
        """The colours changed: draw anew the next time."""
        self._room = 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_index < len(self._concerns):
            concern = self._concerns[event.option_index]
            self.post_message(self.ConcernChosen(concern.node, concern.index))
