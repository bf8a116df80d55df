"""What is wrong in the fleet, worst first, a sentence each; choosing one moves the grid's cursor there."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from backend.translation import _
from tui.fleet_board import Concern
from tui.inks import GLYPHS, Inks


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

    def show_concerns(self, concerns: list[Concern], quiet: str) -> None:
        """`quiet` is said when there is nothing to complain of. Rebuilt only when something differs."""
        if concerns == self._concerns and quiet == self._quiet:
            return
        same_places = [(c.node, c.index) for c in concerns] == [(c.node, c.index) for c in self._concerns]
        kept = self.highlighted
        self._concerns, self._quiet = concerns, quiet
        prompts = [self._prompt(concern) for concern in concerns] or [Text(quiet, self._inks["dim"])]
        self.clear_options()
        self.add_options([Option(prompt, disabled=not concerns) for prompt in prompts])
        if same_places and kept is not None and kept < len(prompts):
            self.highlighted = kept

    def forget(self) -> None:
        """The colours changed: draw anew the next time."""
        self._concerns, self._quiet = [], ""

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_index < len(self._concerns):
            concern = self._concerns[event.option_index]
            self.post_message(self.ConcernChosen(concern.node, concern.index))

    def _prompt(self, concern: Concern) -> Text:
        inks = self._inks
        text = Text()
        text.append(f"{GLYPHS[concern.level]} ", inks.level(concern.level))
        where = f"{concern.node} {concern.npus}".rstrip()
        text.append(where, inks["strong"])
        text.append(_("  {sentence}").format(sentence=concern.sentence), inks["text"])
        return text
