"""Asks before something happens on nodes: Enter for one, the number of nodes typed for more."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from backend.translation import _
from tui.inks import Inks
from tui.screens.dialog_screen import DialogScreen


class ConfirmScreen(DialogScreen[bool]):
    """Answers True when `number` was typed (1: Enter is enough)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", show=False),
        Binding("enter", "agree", show=False),
    ]

    def __init__(self, inks: Inks, title: str, text: Text, number: int, verb: str, command: str = "") -> None:
        super().__init__()
        self._inks = inks
        self._title = title
        self._text = text
        self._number = number
        self._verb = verb
        self._command = command

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._text, markup=False)
            if self._command:
                yield Static(Text(self._command, self._inks["dim"]), id="command", markup=False)
            if self._number > 1:
                yield Static(id="question", markup=False)
                yield Input(id="number", type="integer", max_length=6, compact=True)

    def on_mount(self) -> None:
        dialog = self.query_one("#dialog")
        dialog.border_title = self._title
        dialog.border_subtitle = _("⏎ {verb} · esc back").format(verb=self._verb)
        if self._number > 1:
            self._ask("accent", _("Type the number of nodes to {verb}:").format(verb=self._verb))

    def hints(self) -> tuple[tuple[str, str], ...]:
        typed = f"{self._number} ⏎" if self._number > 1 else "⏎"
        return ((typed, self._verb), ("esc", _("back")))

    def _ask(self, ink: str, words: str) -> None:
        self.query_one("#question", Static).update(Text(words, self._inks[ink]))

    def action_agree(self) -> None:
        if self._number <= 1:
            self.dismiss(True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip() == str(self._number):
            self.dismiss(True)
            return
        words = _("That is not the number: {number} nodes are meant.")
        self._ask(
            "warning",
            words.format(number=self._number) if event.value else _("Type the number of nodes first."),
        )
        event.input.value = ""
