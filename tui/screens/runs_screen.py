"""What ran, what runs, how did it end?"""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from backend.translation import _
from tui.actions import RUNS, bindings_of
from tui.requests import RunAsked
from tui.screens.deck_screen import DeckScreen
from tui.widgets.run_list import RunList

NO_RUNS = _(
    "No runs yet. To make the first:\n\n"
    "  3   look at the recipe, until nothing is left to complain of\n"
    "  L   launch it\n\n"
    "The same as commands:\n\n"
    "  npudeck recipe new MODEL -o recipe.toml\n"
    "  npudeck launch recipe.toml"
)
READING = _("Reading what ran before …")


class RunsScreen(DeckScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(RUNS)]
    place = RUNS

    def compose_body(self) -> ComposeResult:
        yield RunList(self.session.inks, id="runs")
        yield Static(NO_RUNS, id="no-runs", markup=False)

    def idle_actions(self) -> frozenset[str]:
        idle = set() if self.session.desk.runs.runs else {"runs.open"}
        return frozenset(idle | ({"app.launch"} if self.session.desk.inventory is None else set()))

    def on_mount(self) -> None:
        self.query_one(RunList).focus()

    def show_all(self) -> None:
        runs = self.session.desk.runs.newest_first()
        self.query_one("#body").set_class(not runs, "-empty")
        opened = self.session.feed.opened_at is not None or self.session.feed.ended
        self.query_one("#no-runs", Static).update(NO_RUNS if opened else READING)
        listed = self.query_one(RunList)
        listed.show_runs(runs, self.now)
        active = sum(run.active for run in runs)
        listed.border_title = _("Runs · {active} active, {all} in all").format(active=active, all=len(runs))

    def show_time(self) -> None:
        self.show_all()

    @on(RunList.RunOpened)
    def action_open(self) -> None:
        run = self.query_one(RunList).current
        if run is not None:
            self.post_message(RunAsked(run.run_id))
