"""Asks before the console is left with a recipe that is not saved."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from backend.translation import _
from tui.inks import Inks
from tui.screens.dialog_screen import DialogScreen

SAVE, LEAVE, STAY = "save", "leave", "stay"


class LeaveScreen(DialogScreen[str]):
    """Answers `SAVE`, `LEAVE` or `STAY`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", f"dismiss('{SAVE}')", show=False),
        Binding("enter", f"dismiss('{LEAVE}')", show=False),
        Binding("escape", f"dismiss('{STAY}')", show=False),
    ]

    def __init__(self, inks: Inks, path: str) -> None:
        super().__init__()
        self._inks = inks
        self._path = path

    def compose(self) -> ComposeResult:
        text = Text(_("The recipe has changes that are not saved.") + "\n", self._inks["text"])
        text.append(self._path or _("It has no file yet."), self._inks["dim"])
        with Vertical(id="dialog"):
            yield Static(text, markup=False)

    def on_mount(self) -> None:
        dialog = self.query_one("#dialog")
        dialog.border_title = _("Leave?")
        dialog.border_subtitle = _("s save and leave · ⏎ leave · esc stay")

    def hints(self) -> tuple[tuple[str, str], ...]:
        return (("s", _("save and leave")), ("⏎", _("leave without saving")), ("esc", _("stay")))
