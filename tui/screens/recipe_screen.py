"""What do I want to train, and will it work?"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.timer import Timer
from textual.widgets import Static

from backend.engines.render import plan_to_text
from backend.problems import NpudeckError, Problem, Severity, errors_of
from backend.recipes.field import (
    BATCH,
    ENGINE,
    EVALUATION,
    LORA,
    OUTPUT,
    PARALLEL,
    PATHS,
    SCHEDULE,
    WHAT,
)
from backend.recipes.fields import BY_NAME
from backend.translation import _
from tui.actions import RECIPE, bindings_of
from tui.formats import clean, clip, plural
from tui.live_feed import Changes
from tui.recipe_saver import save_draft
from tui.recipe_words import command_text, derived_text, help_text, launch_command
from tui.screens.deck_screen import DeckScreen
from tui.screens.plan_screen import PlanScreen
from tui.session import Session
from tui.widgets.field_row import FieldRow
from tui.widgets.key_line import Hints
from tui.widgets.log_view import LogView
from tui.widgets.problem_list import ProblemList

DEBOUNCE_S = 0.2
TITLES = {
    WHAT: _("what"),
    PARALLEL: _("parallel"),
    BATCH: _("batch"),
    SCHEDULE: _("schedule"),
    EVALUATION: _("validation"),
    LORA: _("LoRA"),
    OUTPUT: _("output"),
    PATHS: _("paths"),
    ENGINE: _("engine"),
}


class RecipeScreen(DeckScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(RECIPE)]
    place = RECIPE

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.problems: tuple[Problem, ...] = ()
        self._advanced = False
        self._debounce: Timer | None = None
        self._before_edit = session.draft.state()
        self._shown: tuple[str, ...] = ()

    def compose_body(self) -> ComposeResult:
        inks = self.session.inks
        with Horizontal(id="recipe"):
            with Vertical(id="form-box"):
                yield VerticalScroll(id="form", can_focus=False)
                yield Static(id="field-help", markup=False)
            with Vertical(id="verdict"):
                yield ProblemList(inks, id="problems")
                yield Static(id="derived", markup=False)
            yield LogView(inks, follow=False, id="plan")

    @on(events.Mount)
    async def put_up(self) -> None:
        self.query_one("#verdict").border_title = _("Will it work?")
        self.query_one("#plan").border_title = _("what would run")
        await self._build_form()
        self.judge()

    async def _build_form(self) -> None:
        """Rows for the fields that are shown; built again only when that set changes."""
        draft, form = self.session.draft, self.query_one("#form", VerticalScroll)
        kept = self.focused.field.name if isinstance(self.focused, FieldRow) else ""
        rows: list[Static | FieldRow] = []
        for group, fields in draft.grouped(self._advanced):
            rows.append(Static(Text(f"── {TITLES[group]} ", self.session.inks["dim"]), classes="group"))
            rows += [FieldRow(field, draft, self.session.inks) for field in fields]
        rows.append(Static(self._fold_text(), classes="group"))
        await form.remove_children()
        await form.mount_all(rows)
        self._shown = self._shown_names()
        self._focus_field(kept or self._shown[0])

    def _shown_names(self) -> tuple[str, ...]:
        return tuple(
            field.name for _group, fields in self.session.draft.grouped(self._advanced) for field in fields
        )

    def _fold_text(self) -> Text:
        count = self.session.draft.folded(self._advanced)
        words = (
            _("… {n} more at their defaults (m)").format(n=count) if count else _("all fields (m folds them)")
        )
        return Text(words, self.session.inks["dim"])

    def _focus_field(self, name: str) -> None:
        rows = self.query(f"#field-{name}")
        if rows:
            rows.first().focus()

    # ---- judging ----

    def judge(self) -> None:
        """Check the draft and show what follows; a few milliseconds, after the typing has paused."""
        self._debounce = None
        draft = self.session.draft
        unread = draft.unread
        doubtful = {problem.field for problem in unread}
        found = tuple(p for p in self.session.desk.check(draft.recipe) if p.field not in doubtful)
        self.problems = (*unread, *found)
        self.query_one(ProblemList).show_problems(self.problems)
        self._show_marks()
        self._show_verdict()
        self._show_plan()
        self.show_keys()

    def _show_marks(self) -> None:
        worst: dict[str, Severity] = {}
        for problem in reversed(self.problems):
            if worst.get(problem.field) is not Severity.ERROR:
                worst[problem.field] = problem.severity
        for row in self.query(FieldRow):
            row.set_mark(worst.get(row.field.name))

    def _show_verdict(self) -> None:
        draft, inks = self.session.draft, self.session.inks
        errors = len(errors_of(self.problems))
        warnings = len(self.problems) - errors
        title = _("Recipe")
        if draft.recipe.model:
            title += f" · {clean(draft.recipe.model)} {draft.recipe.run_type}"
        form = self.query_one("#form-box")
        form.border_title = title
        counts = [plural(errors, _("✖ {n} error"), _("✖ {n} errors"))] if errors else []
        counts += [plural(warnings, _("▲ {n} warning"), _("▲ {n} warnings"))] if warnings else []
        # with the problems in sight beside the form it need not say that there are none
        quiet = _("✔ nothing stands in the way") if self.has_class("-narrow") else ""
        form.border_subtitle = (", ".join(counts) + _(" · tab")) if counts else quiet
        inventory = self.session.desk.inventory
        text = derived_text(draft.recipe, inks, draft.refused)
        text.append("\n\n")
        text.append_text(command_text(draft, inventory.path if inventory else "", inks))
        self.query_one("#derived", Static).update(text)
        self._show_help()

    def _show_help(self) -> None:
        row = self.focused
        while row is not None and not isinstance(row, FieldRow):
            row = row.parent if row.parent is not self else None  # type: ignore[assignment]
        if isinstance(row, FieldRow):
            text = help_text(row.field, self.problems, self.session.inks)
            self.query_one("#field-help", Static).update(text)

    def _show_plan(self) -> None:
        """The third pane, where there is room for one."""
        if not self.has_class("-wide"):
            return
        pane = self.query_one("#plan", LogView)
        pane.clear()
        pane.append_lines(self._plan_lines())

    def _plan_lines(self) -> list[str]:
        if errors_of(self.problems):
            return [_("shown when no error is left")]
        try:
            return plan_to_text(self.session.desk.preview(self.session.draft.recipe)).splitlines()
        except NpudeckError as error:
            return str(error).splitlines()

    # ---- frame ----

    def show_all(self) -> None:
        if not self.query(FieldRow):
            return
        for row in self.query(FieldRow):
            row.redraw()
        self.judge()

    def show_changes(self, changes: Changes) -> None:
        """Runs and nodes do not change a recipe."""

    def idle_actions(self) -> frozenset[str]:
        idle = set() if any(problem.suggestion for problem in self.problems) else {"recipe.suggest"}
        return frozenset(idle | ({"app.launch"} if self.session.desk.inventory is None else set()))

    def edit_hints(self) -> Hints:
        if not any(row.editing for row in self.query(FieldRow)):
            return ()
        return (("⏎", _("take")), ("↑ ↓", _("take and move")), ("esc", _("cancel")))

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        self._show_help()
        row = self.focused
        if isinstance(row, FieldRow):
            row.scroll_visible(animate=False)

    # ---- editing ----

    @on(FieldRow.Edited)
    def take_text(self, event: FieldRow.Edited) -> None:
        self.session.draft.type(event.name, event.text)
        row = self.query_one(f"#field-{event.name}", FieldRow)
        row.redraw()
        self._judge_soon()

    @on(FieldRow.Done)
    async def end_edit(self, event: FieldRow.Done) -> None:
        if event.given_up:
            self.session.draft.restore(self._before_edit)
        self.query_one(f"#field-{event.name}", FieldRow).redraw()
        self._focus_field(event.name)
        self.move(event.by)
        self._judge_soon()
        if self._shown_names() != self._shown:
            await self._build_form()

    def _judge_soon(self) -> None:
        if self._debounce is not None:
            self._debounce.stop()
        self._debounce = self.set_timer(DEBOUNCE_S, self.judge)

    def move(self, by: int) -> None:
        """The focus moves `by` fields."""
        rows = list(self.query(FieldRow))
        if by and isinstance(self.focused, FieldRow) and self.focused in rows:
            place = min(max(0, rows.index(self.focused) + by), len(rows) - 1)
            rows[place].focus()

    # ---- actions ----

    def action_move(self, by: int) -> None:
        self.move(by)

    def action_edit(self) -> None:
        if isinstance(self.focused, FieldRow):
            self._before_edit = self.session.draft.state()
            self.focused.begin()

    def action_suggest(self) -> None:
        """The highlighted problem's suggestion, or the first one for the field under the cursor."""
        focused = self.focused
        if isinstance(focused, FieldRow):
            wanted = (p for p in self.problems if p.field == focused.field.name and p.suggestion)
            problem = next(wanted, None)
        else:
            problem = self.query_one(ProblemList).current
        if problem is None or not problem.suggestion or problem.field not in BY_NAME:
            self.notify(_("There is no value to suggest here."), timeout=3)
            return
        self.session.draft.type(problem.field, problem.suggestion)
        for row in self.query(FieldRow):
            row.redraw()
        self.judge()

    def action_default(self) -> None:
        if isinstance(self.focused, FieldRow):
            self.session.draft.put(self.focused.field.name, self.focused.field.default)
            self.focused.redraw()
            self.judge()

    async def action_more(self) -> None:
        self._advanced = not self._advanced
        await self._build_form()
        self.judge()

    def action_next_pane(self) -> None:
        to_problems = not isinstance(self.focused, ProblemList)
        self.set_class(to_problems, "-show-verdict")
        if to_problems:
            self.query_one(ProblemList).focus()
        else:
            self._focus_field(self._shown[0])

    def action_plan(self) -> None:
        self.judge()
        if errors_of(self.problems):
            self.notify(_("The plan appears when no error is left."), timeout=4)
            return
        inventory = self.session.desk.inventory
        command = launch_command(self.session.draft, inventory.path if inventory else "")
        title = _("what would run · {command} --dry-run").format(command=clip(command, 80))
        self.app.push_screen(PlanScreen(self.session.inks, title, self._plan_lines()))

    def action_save(self) -> None:
        self.judge()
        save_draft(self.app, self.session, self._show_verdict)

    @on(ProblemList.ProblemChosen)
    async def go_to_field(self, event: ProblemList.ProblemChosen) -> None:
        if event.field not in BY_NAME:
            return
        if not self.query(f"#field-{event.field}"):
            self._advanced = True
            await self._build_form()
        self.remove_class("-show-verdict")
        self._focus_field(event.field)

    def show_problems(self) -> None:
        """Bring the problems to the front: a launch was refused because of them."""
        self.judge()
        self.add_class("-show-verdict")
        self.query_one(ProblemList).focus()
