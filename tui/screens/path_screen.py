"""Asks for the name of a file and saves to it; stays until that worked or is given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from backend.problems import NpudeckError
from backend.translation import _
from tui.inks import Inks
from tui.screens.confirm_screen import ConfirmScreen
from tui.screens.dialog_screen import DialogScreen


class PathScreen(DialogScreen[str | None]):
    """Answers the path that was saved to, None when it was given up.

    `save` raises `NpudeckError`; `foreign` tells whether a path is a file that must not be overwritten
    without a question. `trouble` is shown from the beginning: why saving to `path` has failed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]

    def __init__(
        self,
        inks: Inks,
        path: str,
        save: Callable[[str], None],
        foreign: Callable[[str], bool],
        trouble: str = "",
    ) -> None:
        super().__init__()
        self._inks = inks
        self._path = path
        self._save = save
        self._foreign = foreign
        self._trouble = trouble

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Input(self._path, id="path", compact=True)
            yield Static(id="trouble", markup=False)

    def on_mount(self) -> None:
        dialog = self.query_one("#dialog")
        dialog.border_title = _("Save the recipe to")
        dialog.border_subtitle = _("⏎ save · esc back")
        self._tell(self._trouble)

    def hints(self) -> tuple[tuple[str, str], ...]:
        return (("⏎", _("save")), ("esc", _("back")))

    def _tell(self, trouble: str) -> None:
        words = self.query_one("#trouble", Static)
        words.display = bool(trouble)
        text = Text("✖ ", self._inks["alarm"])
        text.append(trouble, self._inks["text"])
        words.update(text)

    def on_input_changed(self) -> None:
        self._tell("" if self.query_one(Input).value != self._path else self._trouble)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        path = event.value.strip()
        if not path:
            return
        if self._foreign(path):
            text = Text(path + "\n", self._inks["strong"])
            text.append(_("This file exists and is not the one that this form shows."), self._inks["text"])
            asked = ConfirmScreen(self._inks, _("Overwrite?"), text, 1, _("overwrite"))
            self.app.push_screen(asked, lambda agreed: self._write(path) if agreed else None)
        else:
            self._write(path)

    def _write(self, path: str) -> None:
        try:
            self._save(path)
        except NpudeckError as error:
            self._path, self._trouble = self.query_one(Input).value, str(error)
            self._tell(self._trouble)
            return
        self.dismiss(path)
