"""One field of the recipe: a line that becomes an input when it is edited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from backend.problems import Severity
from backend.recipes.field import Field
from backend.translation import _
from tui.formats import clip
from tui.inks import Inks
from tui.recipe_draft import RecipeDraft, shown_value

NAME_WIDTH, GUIDE_WIDTH, MARK_WIDTH = 25, 12, 2
LEAST_VALUE_WIDTH = 24  # characters; the guide's name gives way to them
INPUT_KINDS = ("str", "path", "int", "float", "ints", "floats", "names")


class RowInput(Input):
    """Up and down leave it, as Enter does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "leave(-1)", show=False),
        Binding("down", "leave(1)", show=False),
        Binding("tab", "leave(1)", show=False),
        Binding("shift+tab", "leave(-1)", show=False),
        Binding("escape", "give_up", show=False),
    ]

    @dataclass
    class Left(Message):
        by: int

    class GivenUp(Message):
        """The old value is wanted back."""

    def action_leave(self, by: int) -> None:
        self.post_message(self.Left(by))

    def action_give_up(self) -> None:
        self.post_message(self.GivenUp())


class FieldRow(Horizontal, can_focus=True):
    """Posts `Edited` with every keystroke; the draft is the screen's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "screen.move(-1)", show=False),
        Binding("down,j", "screen.move(1)", show=False),
        Binding("pageup", "screen.move(-8)", show=False),
        Binding("pagedown", "screen.move(8)", show=False),
        Binding("home,g", "screen.move(-1000)", show=False),
        Binding("end,G", "screen.move(1000)", show=False),
        Binding("left", "cycle(-1)", show=False),
        Binding("right,space", "cycle(1)", show=False),
    ]

    @dataclass
    class Edited(Message):
        name: str
        text: str

    @dataclass
    class Done(Message):
        """Editing ended; the focus is wanted `by` rows further. `given_up`: the old value is back."""

        name: str
        by: int
        given_up: bool

    def __init__(self, field: Field, draft: RecipeDraft, inks: Inks) -> None:
        super().__init__(id=f"field-{field.name}", classes="field")
        self.field = field
        self._draft = draft
        self._inks = inks
        self.editing = False
        self._mark: Severity | None = None
        self._label = Static(classes="field-label", markup=False)
        self._value = Static(classes="field-value", markup=False)

    def compose(self) -> ComposeResult:
        yield self._label
        yield self._value

    def on_mount(self) -> None:
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def set_mark(self, severity: Severity | None) -> None:
        if severity is not self._mark:
            self._mark = severity
            self.redraw()

    def redraw(self) -> None:
        inks, field = self._inks, self.field
        label = Text(no_wrap=True)
        label.append("▸ " if self.has_focus or self.editing else "  ", inks["accent"])
        changed = self._draft.changed(field.name)
        name = field.name.replace("_", " ") + (" *" if field.required else "")
        label.append(
            clip(name, NAME_WIDTH - 1).ljust(NAME_WIDTH), inks["text" if changed or field.required else "dim"]
        )
        guide = field.guide_name if len(field.guide_name) < GUIDE_WIDTH else ""
        if self._label_width > MARK_WIDTH + NAME_WIDTH:
            label.append(guide.ljust(GUIDE_WIDTH), inks["dim"])
        self._label.styles.width = self._label_width
        self._label.update(label)
        self._value.update(self._value_text(changed))

    @property
    def _label_width(self) -> int:
        """With the guide's name where the value keeps its room beside it."""
        full = MARK_WIDTH + NAME_WIDTH + GUIDE_WIDTH
        roomy = self.size.width >= full + MARK_WIDTH + LEAST_VALUE_WIDTH
        return full if roomy else full - GUIDE_WIDTH

    def _value_text(self, changed: bool) -> Text:
        inks, field = self._inks, self.field
        text = Text(no_wrap=True, overflow="ellipsis")
        shown = shown_value(field, self._draft.text(field.name))
        if self._mark is not None:
            glyph, ink = ("✖ ", "alarm") if self._mark is Severity.ERROR else ("▲ ", "warning")
            text.append(glyph, inks[ink])
        else:
            text.append("  ")
        if not shown:
            text.append(_("needed") if field.required else _("not given"), inks["dim"])
            return text
        choosable = self.has_focus and field.kind in ("choice", "bool")
        beside = 4 if choosable else len(field.unit) + 1 if field.unit else 0
        room = max(8, self.size.width - self._label_width - MARK_WIDTH - beside)
        if field.kind == "path" and len(shown) > room:
            shown = "…" + shown[1 - room :]  # the end of a path tells more than its beginning
        shown = clip(shown, room)
        text.append("‹ " if choosable else "", inks["dim"])
        text.append(shown, inks["strong"] if changed else inks["text"])
        text.append(" ›" if choosable else f" {field.unit}" if field.unit else "", inks["dim"])
        return text

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.redraw()

    # ---- editing ----

    def begin(self, text: str | None = None) -> None:
        """Edit: an input for what is typed, the next value for what is chosen."""
        if self.field.kind in ("choice", "bool"):
            self.action_cycle(1)
            return
        if self.editing:
            return
        value = self._draft.text(self.field.name) if text is None else text
        box = RowInput(value, compact=True, select_on_focus=text is None, classes="field-input")
        self.editing = True
        self._value.display = False
        self.mount(box)
        box.focus()
        if text is not None:
            self.post_message(self.Edited(self.field.name, text))

    def action_cycle(self, by: int) -> None:
        field = self.field
        if field.kind == "bool":
            now = self._draft.text(field.name) == "true"
            self.post_message(self.Edited(field.name, "false" if now else "true"))
        elif field.kind == "choice":
            text = self._draft.text(field.name)
            place = field.choices.index(text) + by if text in field.choices else 0
            self.post_message(self.Edited(field.name, field.choices[place % len(field.choices)]))

    def on_paste(self, event: events.Paste) -> None:
        """Paste on a line that is not being edited: begin with what was pasted."""
        if not self.editing and self.field.kind in INPUT_KINDS:
            event.stop()
            self.begin(event.text.strip().splitlines()[0] if event.text.strip() else "")

    def on_click(self, event: events.Click) -> None:
        if not self.editing:
            self.focus()
            if event.chain == 2 or self.field.kind in ("choice", "bool"):
                self.begin()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self.field.name, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._end(1, False)

    def on_row_input_left(self, event: RowInput.Left) -> None:
        event.stop()
        self._end(event.by, False)

    def on_row_input_given_up(self, event: RowInput.GivenUp) -> None:
        event.stop()
        self._end(0, True)

    def _end(self, by: int, given_up: bool) -> None:
        self.editing = False
        self.query(RowInput).remove()
        self._value.display = True
        self.post_message(self.Done(self.field.name, by, given_up))
