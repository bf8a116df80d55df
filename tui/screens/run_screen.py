"""Is it learning, is it fast, is it safe?"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.widgets import Input, Static

from backend.problems import NpudeckError
from backend.state.run_state import RunView
from backend.translation import _
from tui.actions import RUN, bindings_of
from tui.formats import compact, thousands
from tui.live_feed import Changes
from tui.log_tail import LogTail
from tui.requests import StopAsked
from tui.run_curves import RunCurves
from tui.run_words import (
    failed_part,
    run_title,
    safety_line,
    stage_strip,
    state_line,
    trouble_line,
    waited_for,
)
from tui.screens.deck_screen import DeckScreen
from tui.session import Session
from tui.widgets.key_line import Hints
from tui.widgets.line_chart import LineChart
from tui.widgets.log_view import LogView
from tui.widgets.node_board import NodeBoard

POLL_S = 0.5
REASON_ROWS, ROOMY = 3, 30  # lines for a reason; twice as many where the terminal has this height
FRAME = 2
PANES = ("loss", "speed", "board")


class RunScreen(DeckScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(RUN)]
    place = RUN

    def __init__(self, session: Session, run_id: str) -> None:
        super().__init__(session, run_id)
        self.run_id = run_id
        self._curves = RunCurves()
        self._tail = LogTail()
        self._pane = 0
        self._stale_log = ""

    @property
    def run_view(self) -> RunView | None:
        return self.session.desk.runs.runs.get(self.run_id)

    def compose_body(self) -> ComposeResult:
        inks = self.session.inks
        with Vertical(id="run"):
            yield Static(id="story", markup=False)
            with Horizontal(id="charts"):
                yield LineChart(inks, "loss", id="loss")
                yield LineChart(inks, "speed", id="speed")
                yield NodeBoard(inks, id="board")
            with Container(id="log-box"):
                yield LogView(inks, id="log")
                yield Input(
                    id="filter",
                    placeholder=_("text to look for; Enter keeps it, Esc shows all lines"),
                    compact=True,
                )

    def idle_actions(self) -> frozenset[str]:
        run = self.run_view
        return frozenset() if run is not None and run.active else frozenset({"run.stop"})

    def edit_hints(self) -> Hints:
        typing = isinstance(self.focused, Input)
        return (("⏎", _("keep the filter")), ("esc", _("all lines"))) if typing else ()

    def on_mount(self) -> None:
        self.query_one("#speed", LineChart).from_zero = True
        self.query_one("#board").border_title = _("nodes")
        self.query_one(LogView).focus()
        self.query_one("#filter").display = False
        self._show_pane()
        self.run_worker(self._follow_log(), group="log", exit_on_error=False)

    # ---- drawing ----

    def show_changes(self, changes: Changes) -> None:
        if self.run_id in changes.runs:
            self.show_all()

    def show_time(self) -> None:
        self._show_story()
        if self.run_view is not None and self.run_view.last is None:
            self._show_waiting(self.run_view)

    def show_all(self) -> None:
        run = self.run_view
        if run is None:
            return
        self._show_story()
        self._show_charts(run)
        self.query_one(NodeBoard).show_run(run)

    def _show_story(self) -> None:
        run, story = self.run_view, self.query_one("#story", Static)
        if run is None:
            story.update(_("Nothing is known of run {run}.").format(run=self.run_id))
            return
        inks, now = self.session.inks, self.now
        width = (story.size.width or self.app.size.width - FRAME) - 2
        rows = REASON_ROWS if self.app.size.height < ROOMY else 2 * REASON_ROWS
        lines = [
            stage_strip(run, inks, now, width),
            state_line(run, inks, now, width, rows),
            safety_line(run, inks, now),
        ]
        trouble = trouble_line(run, inks, now)
        lines += [trouble] if trouble.plain else []
        text = lines[0]
        for line in lines[1:]:
            text.append("\n")
            text.append_text(line)
        story.update(text)
        story.border_title = run_title(run)

    def _show_charts(self, run: RunView) -> None:
        more = self._curves.take(run)
        loss, speed = self.query_one("#loss", LineChart), self.query_one("#speed", LineChart)
        loss.series, speed.series = self._curves.loss, self._curves.speed
        last = run.last
        loss.border_title = _("loss {value}").format(value=compact(last.lm_loss)) if last else _("loss")
        if last is not None and last.lm_loss is None:
            loss.border_title = _("loss (not in the log)")
        speed.border_title = (
            _("tokens/s/NPU {value}").format(value=compact(last.tokens_per_s_per_npu))
            if last
            else _("tokens/s/NPU")
        )
        loss.border_subtitle = _("log axis · y linear") if loss.log_scale else _("y log")
        for chart in (loss, speed):
            chart.mark_x = float(run.checkpoint.iteration) if run.checkpoint else None
            chart.redraw()
        self._show_waiting(run)
        if more:
            self.call_later(self.show_all)

    def _show_waiting(self, run: RunView) -> None:
        words = waited_for(run, self.now)
        for chart in self.query(LineChart):
            if chart.waiting != words:
                chart.waiting = words
                chart.redraw()

    def _show_pane(self) -> None:
        for index, name in enumerate(PANES):
            self.set_class(index == self._pane, f"-show-{name}")

    def _show_log_title(self) -> None:
        log = self.query_one(LogView)
        title = _("log · {source}").format(source=self._tail.source or _("none yet"))
        if log.needle:
            title += _(" · “{needle}” in {count} of {all} lines").format(
                needle=log.needle, count=thousands(log.shown_count), all=thousands(log.line_count)
            )
        log.border_title = title + (f" · {self._stale_log}" if self._stale_log else "")
        log.border_subtitle = _("f follows · / filter") if log.follow else _("f follow · / filter")

    # ---- log ----

    async def _follow_log(self) -> None:
        """Read on while the screen is there; a log that cannot be read says so and is tried again."""
        while self.is_attached:
            in_sight = self in self.app.screen_stack
            more = await self._read_more() if in_sight else False
            await asyncio.sleep(0 if more else POLL_S)

    async def _read_more(self) -> bool:
        """One chunk; True when there is likely another one."""
        desk, log = self.session.desk, self.query_one(LogView)
        run = self.run_view
        nodes, failed = (run.created.nodes, failed_part(run)) if run else ((), ("", ""))
        if self._tail.follow_newest(desk.logs(self.run_id), nodes, failed):
            log.clear()
        if not self._tail.source:
            self._show_log_title()
            return False
        source = self._tail.source
        try:
            chunk = await desk.read_log(self.run_id, source, self._tail.offset)
            self._stale_log = ""
        except NpudeckError as error:
            self._stale_log = str(error).splitlines()[0]
            self._show_log_title()
            return False
        if source != self._tail.source:
            return True
        self._tail.offset = chunk.end
        if chunk.lines:
            log.append_lines(chunk.lines)
        self._show_log_title()
        return bool(chunk.lines) and chunk.end - chunk.start > 200_000

    # ---- actions ----

    def action_follow(self) -> None:
        log = self.query_one(LogView)
        log.set_follow(not log.follow)
        self._show_log_title()

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def action_next_source(self) -> None:
        if self._tail.next_source(self.session.desk.logs(self.run_id)):
            self.query_one(LogView).clear()
        self._show_log_title()

    def action_next_pane(self) -> None:
        self._pane = (self._pane + 1) % len(PANES)
        self._show_pane()

    def action_scale(self) -> None:
        loss = self.query_one("#loss", LineChart)
        loss.log_scale = not loss.log_scale
        if self.run_view is not None:
            self._show_charts(self.run_view)

    def action_zoom(self) -> None:
        self.toggle_class("-zoomed")

    def action_stop(self) -> None:
        self.post_message(StopAsked(self.run_id))

    def go_back(self) -> bool:
        """One step inside the screen; False when there is none left."""
        box, log = self.query_one("#filter", Input), self.query_one(LogView)
        if box.display or log.needle:
            box.value = ""
            box.display = False
            log.set_filter("")
            log.focus()
            self._show_log_title()
            return True
        if self.has_class("-zoomed"):
            self.remove_class("-zoomed")
            return True
        return False

    @on(Input.Changed, "#filter")
    def filter_typed(self, event: Input.Changed) -> None:
        self.query_one(LogView).set_filter(event.value)
        self._show_log_title()

    @on(Input.Submitted, "#filter")
    def filter_kept(self) -> None:
        box = self.query_one("#filter", Input)
        box.display = bool(box.value)
        self.query_one(LogView).focus()

    @on(LogView.FollowChanged)
    def follow_changed(self) -> None:
        self._show_log_title()
