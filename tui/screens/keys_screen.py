"""All keys that work here, from the registry, with the commands that do the same."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from backend.translation import _
from tui.actions import EVERYWHERE, Action, actions_of
from tui.inks import Inks
from tui.screens.dialog_screen import DialogScreen

INDENT = 13
MOVING = (
    ("↑ ↓ ← →", _("move; also k j in lists")),
    ("PgUp PgDn", _("a page")),
    ("Home End", _("the first, the last")),
)


class KeysScreen(DialogScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1", "dismiss", show=False)]

    def __init__(self, inks: Inks, place: str, title: str) -> None:
        super().__init__()
        self._inks = inks
        self._place = place
        self._title = title

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog", classes="large"):
            yield Static(
                keys_text(self._inks, self._place, self.app.size.width * 95 // 100 - 6), markup=False
            )

    def on_mount(self) -> None:
        dialog = self.query_one("#dialog")
        dialog.border_title = _("Keys · {place}").format(place=self._title)
        dialog.border_subtitle = _("esc back")
        dialog.focus()

    def hints(self) -> tuple[tuple[str, str], ...]:
        return (("↑ ↓", _("scroll")), ("esc", _("back")))


def keys_text(inks: Inks, place: str, width: int) -> Text:
    """The list, `width` characters wide: a command that does not fit beside its action stands beneath."""
    text = Text()
    if place != EVERYWHERE:
        _section(text, inks, _("here"), actions_of(place), width)
    text.append(_("moving") + "\n", inks["accent"])
    for keys, words in MOVING:
        text.append(f"  {keys:<11}", inks["strong"])
        text.append(f"{words}\n", inks["text"])
    text.append("\n")
    _section(text, inks, _("everywhere"), actions_of(EVERYWHERE), width)
    text.rstrip()
    return text


def _section(text: Text, inks: Inks, title: str, actions: tuple[Action, ...], width: int) -> None:
    text.append(f"{title}\n", inks["accent"])
    for action in actions:
        text.append(f"  {action.shown:<{INDENT - 2}}", inks["strong"])
        text.append(action.description, inks["text"])
        if action.command:
            fits = INDENT + len(action.description) + 3 + len(action.command) <= width
            text.append("   " if fits else "\n" + " " * INDENT)
            text.append(action.command, inks["dim"])
        text.append("\n")
    text.append("\n")
