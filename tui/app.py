"""The console: screens over one desk."""

from __future__ import annotations

import os
import sys
from typing import ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import BindingType
from textual.notifications import SeverityLevel
from textual.theme import Theme

from backend.clock import Clock, RealClock
from backend.live.desk import Desk
from backend.problems import NpudeckError, errors_of
from backend.translation import _, ngettext
from tui.actions import EVERYWHERE, FLEET, NODE, RECIPE, RUN, RUNS, bindings_of
from tui.drain_words import drain_question
from tui.fleet_board import FleetBoard
from tui.formats import plural
from tui.inks import Inks
from tui.launch_words import launch_text, nodes_of
from tui.live_feed import FeedTicked, LiveFeed
from tui.palette import ActionProvider
from tui.recipe_draft import RecipeDraft
from tui.recipe_saver import save_draft
from tui.recipe_words import launch_command
from tui.requests import DrainAsked, NodeAsked, RunAsked, StopAsked
from tui.run_words import run_title
from tui.screens.confirm_screen import ConfirmScreen
from tui.screens.deck_screen import DeckScreen
from tui.screens.fleet_screen import FleetScreen
from tui.screens.keys_screen import KeysScreen
from tui.screens.leave_screen import LEAVE, SAVE, LeaveScreen
from tui.screens.node_screen import NodeScreen
from tui.screens.recipe_screen import RecipeScreen
from tui.screens.run_screen import RunScreen
from tui.screens.runs_screen import RunsScreen
from tui.session import Session
from tui.theme_files import DARK, LIGHT, load_themes

TITLES = {FLEET: _("Fleet"), NODE: _("Node"), RUNS: _("Runs"), RUN: _("Run"), RECIPE: _("Recipe")}


class NpudeckApp(App[None]):
    """One window on one desk. The desk is opened after the first paint and closed when the console ends."""

    TITLE = "npudeck"
    CSS_PATH: ClassVar = ["styles/frame.tcss", "styles/screens.tcss", "styles/dialogs.tcss"]
    COMMANDS: ClassVar = {ActionProvider}
    DEFAULT_MODE = FLEET
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(EVERYWHERE)]

    def __init__(self, desk: Desk, clock: Clock | None = None) -> None:
        self._themes_by_name: dict[str, Theme] = {theme.name: theme for theme in load_themes()}
        super().__init__()
        clock = clock or RealClock()
        feed = LiveFeed(desk, clock, lambda: self.post_message(FeedTicked()))
        board = FleetBoard(desk.fleet, desk.runs, desk.inventory.path if desk.inventory else "")
        board.looks_since = lambda: feed.opened_at
        draft = RecipeDraft(desk.recipe, desk.recipe_path)
        self.session = Session(desk, clock, feed, draft, Inks(), board)
        for theme in self._themes_by_name.values():
            self.register_theme(theme)
        self.add_mode(FLEET, lambda: FleetScreen(self.session))
        self.add_mode(RUNS, lambda: RunsScreen(self.session))
        self.add_mode(RECIPE, lambda: RecipeScreen(self.session))
        self.theme = DARK
        self.session.inks.take(self._themes_by_name[DARK])

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own variables, for the moments in which another theme is asked for its."""
        return dict(self._themes_by_name[DARK].variables)

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._restyle)
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._open)

    def _open(self) -> None:
        self.run_worker(self.session.feed.run(), group="feed", exit_on_error=False)

    async def on_unmount(self) -> None:
        await self.session.desk.close()

    # ---- what flows in ----

    def _deck_screens(self) -> list[DeckScreen]:
        """The one in sight, also behind a dialog; none while it is being put up or taken down."""
        if not self.is_running:
            return []
        for screen in reversed(self.screen_stack):
            if isinstance(screen, DeckScreen):
                return [screen] if screen.ready else []
        return []

    def _tick(self) -> None:
        for screen in self._deck_screens():
            screen.tick()

    def on_feed_ticked(self) -> None:
        changes = self.session.feed.take()
        for screen in self._deck_screens():
            screen.take_changes(changes)

    def _restyle(self, theme: Theme) -> None:
        self.session.inks.take(self._themes_by_name.get(theme.name, self._themes_by_name[DARK]))
        for stack in self._screen_stacks.values():
            for screen in stack:
                if isinstance(screen, DeckScreen) and screen.ready:
                    screen.restyle()

    # ---- going places ----

    def _show(self, place: str) -> None:
        if self.current_mode != place:
            self.switch_mode(place)
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_show_fleet(self) -> None:
        self._show(FLEET)

    def action_show_runs(self) -> None:
        self._show(RUNS)

    def action_show_recipe(self) -> None:
        self._show(RECIPE)

    async def action_back(self) -> None:
        screen = self.screen
        if isinstance(screen, RunScreen) and screen.go_back():
            return
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def action_toggle_theme(self) -> None:
        self.theme = LIGHT if self.theme == DARK else DARK

    def action_keys(self) -> None:
        place = getattr(self.screen, "place", EVERYWHERE)
        self.push_screen(KeysScreen(self.session.inks, place, TITLES.get(place, place)))

    def action_leave(self) -> None:
        """Leave at once, or ask when a recipe would be lost."""
        draft = self.session.draft
        if draft.dirty:
            self.push_screen(LeaveScreen(self.session.inks, draft.path), self._leave_answered)
        else:
            self.exit()

    def _leave_answered(self, answer: str | None) -> None:
        if answer == LEAVE:
            self.exit()
        elif answer == SAVE:
            save_draft(self, self.session, self.exit)

    def on_keys_changed(self) -> None:
        for screen in self._deck_screens():
            screen.show_keys()

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """One word at a time: the newest one takes the place of the one before."""
        self.clear_notifications()
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def action_help_quit(self) -> None:
        self.notify(_("q leaves the console; runs go on without it."), timeout=4)

    async def on_run_asked(self, event: RunAsked) -> None:
        await self.open_run(event.run_id)

    async def on_node_asked(self, event: NodeAsked) -> None:
        """The page of a node, over the fleet."""
        self._show(FLEET)
        await self.push_screen(NodeScreen(self.session, event.node, event.index))

    async def open_run(self, run_id: str) -> None:
        """The screen of a run, over the list of runs."""
        self._show(RUNS)
        await self.push_screen(RunScreen(self.session, run_id))

    # ---- launching and stopping ----

    def action_launch(self) -> None:
        """One node: at once. More: the number of nodes is asked for."""
        if self.session.desk.inventory is None:
            self.notify(_("There is no fleet to launch on: 1 shows how to get one."), severity="warning")
            return
        draft, recipe = self.session.draft, self.session.draft.recipe
        errors = errors_of((*draft.unread, *self.session.desk.check(recipe)))
        if errors:
            self._refuse(
                plural(len(errors), _("{n} error stops the launch."), _("{n} errors stop the launch."))
            )
            return
        try:
            plan = self.session.desk.preview(recipe)
        except NpudeckError as error:
            self._refuse(str(error))
            return
        if plan.blockers:
            self._refuse("\n".join(problem.sentence() for problem in plan.blockers))
        elif recipe.nodes > 1:
            self._ask_to_launch(nodes_of(plan))
        else:
            self.run_worker(self._launch(), group="launch", exclusive=True, exit_on_error=False)

    def _refuse(self, why: str) -> None:
        self.notify(why, title=_("Not launched"), severity="error", markup=False, timeout=8)
        self._show(RECIPE)
        if isinstance(self.screen, RecipeScreen):
            self.call_after_refresh(self.screen.show_problems)

    def _ask_to_launch(self, nodes: tuple[str, ...]) -> None:
        recipe, inks = self.session.draft.recipe, self.session.inks
        desk, board = self.session.desk, self.session.board
        text = launch_text(recipe, nodes, desk.check(recipe), desk.fleet, board, inks)
        inventory = self.session.desk.inventory
        command = launch_command(self.session.draft, inventory.path if inventory else "")
        screen = ConfirmScreen(inks, _("Launch"), text, recipe.nodes, _("launch"), command)
        self.push_screen(screen, self._launch_confirmed)

    def _launch_confirmed(self, agreed: bool | None) -> None:
        if agreed:
            self.run_worker(self._launch(), group="launch", exclusive=True, exit_on_error=False)

    async def _launch(self) -> None:
        try:
            run_id = await self.session.desk.launch(self.session.draft.recipe)
        except NpudeckError as error:
            self.notify(str(error), title=_("Not launched"), severity="error", markup=False, timeout=15)
            return
        await self.open_run(run_id)

    def on_drain_asked(self, event: DrainAsked) -> None:
        desk = self.session.desk
        view = desk.fleet.nodes.get(event.node)
        if view is None or desk.inventory is None:
            return
        question = drain_question(view, self.session.board, self.session.inks, desk.inventory.path)
        screen = ConfirmScreen(
            self.session.inks, question.title, question.text, 1, question.verb, question.command
        )

        def confirmed(agreed: bool | None) -> None:
            if agreed:
                self.run_worker(self._drain(event.node, question.reason), group="drain", exit_on_error=False)

        self.push_screen(screen, confirmed)

    async def _drain(self, node: str, reason: str) -> None:
        desk = self.session.desk
        try:
            await (desk.undrain(node) if node in desk.fleet.drained else desk.drain(node, reason))
        except NpudeckError as error:
            self.notify(str(error), title=_("Nothing changed"), severity="error", markup=False, timeout=15)
            return
        if isinstance(self.screen, DeckScreen):
            self.screen.show_all()

    def on_stop_asked(self, event: StopAsked) -> None:
        run = self.session.desk.runs.runs.get(event.run_id)
        if run is None or not run.active:
            self.notify(_("{run} has ended already.").format(run=event.run_id), timeout=3)
            return
        text = Text(run_title(run), self.session.inks["strong"])
        words = _("\nIt is ended on all its nodes; a training of the native engine saves before it ends.")
        text.append(words, self.session.inks["text"])
        command = f"npudeck stop {run.run_id}"
        count = len(run.created.nodes)
        screen = ConfirmScreen(
            self.session.inks, _("Stop {run}").format(run=run.run_id), text, count, _("stop"), command
        )
        self.push_screen(screen, lambda agreed: self._stop_confirmed(event.run_id, agreed))

    def _stop_confirmed(self, run_id: str, agreed: bool | None) -> None:
        if agreed:
            self.run_worker(self._stop(run_id), group="stop", exit_on_error=False)

    async def _stop(self, run_id: str) -> None:
        try:
            await self.session.desk.stop(run_id)
        except NpudeckError as error:
            self.notify(str(error), title=_("Not stopped"), severity="error", markup=False, timeout=15)


def run_console(inventory: str | None, recipe: str | None = None) -> int:
    """Open the screens on a fleet and, if given, on a recipe's file; answers the exit code."""
    from backend.live.console import open_desk

    app = NpudeckApp(open_desk(inventory, recipe))
    app.run(mouse="NPUDECK_NO_MOUSE" not in os.environ)
    active = [run.run_id for run in app.session.desk.runs.newest_first() if run.active]
    if active:
        words = ngettext(
            "The console is closed. {runs} goes on; look again with: npudeck runs list",
            "The console is closed. {runs} go on; look again with: npudeck runs list",
            len(active),
        )
        print(words.format(runs=", ".join(active)), file=sys.stderr)
    return app.return_code or 0
