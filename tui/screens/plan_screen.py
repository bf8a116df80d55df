"""Exactly what would run on each node, before anything runs; also any other long text."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from backend.translation import _
from tui.inks import Inks
from tui.screens.dialog_screen import DialogScreen
from tui.widgets.log_view import LogView


class PlanScreen(DialogScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,v", "dismiss", show=False)]

    def __init__(self, inks: Inks, title: str, lines: list[str]) -> None:
        super().__init__()
        self._inks = inks
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="large"):
            yield LogView(self._inks, follow=False, id="plan-text")

    def on_mount(self) -> None:
        dialog, text = self.query_one("#dialog"), self.query_one(LogView)
        dialog.border_title = self._title
        dialog.border_subtitle = _("arrows scroll · esc back")
        text.append_lines(self._lines)
        text.focus()

    def hints(self) -> tuple[tuple[str, str], ...]:
        return (("↑ ↓", _("scroll")), ("esc", _("back")))
