"""What is with this node: everything that is wrong on it, who uses it, its chips, the machine."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from backend.state.fleet_state import NodeView
from backend.translation import _
from tui.actions import NODE, bindings_of
from tui.inks import WORDS
from tui.live_feed import Changes
from tui.node_page_words import NodePage
from tui.node_words import NodeWords
from tui.requests import DrainAsked, RunAsked
from tui.screens.deck_screen import DeckScreen
from tui.session import Session

CHIP_LINES = 8  # of the NPU in full, at least to be seen below the list


class NodeScreen(DeckScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(NODE)]
    place = NODE

    def __init__(self, session: Session, node: str, index: int = 0) -> None:
        super().__init__(session, node)
        self.node = node
        self._index = index
        words = NodeWords(session.board, session.feed.history, session.inks)
        self._page = NodePage(session.board, words, session.inks)

    @property
    def node_view(self) -> NodeView | None:
        return self.session.desk.fleet.nodes.get(self.node)

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="page"):
            yield Static(id="page-text", markup=False)

    def on_mount(self) -> None:
        self.query_one("#page").focus()

    def idle_actions(self) -> frozenset[str]:
        idle = set() if self.session.board.runs_on(self.node) else {"node.run"}
        if self._places() < 2:
            idle |= {"node.next", "node.previous"}
        return frozenset(idle)

    def show_changes(self, changes: Changes) -> None:
        if self.node in changes.nodes:
            self.show_all()

    def show_time(self) -> None:
        self.show_all()

    def show_all(self) -> None:
        view = self.node_view
        if view is None or not self.query("#page"):
            return
        page = self.query_one("#page")
        level = self.session.board.level(view)
        page.border_title = f"{view.name} · {WORDS[level]}"
        page.border_subtitle = _("↑ ↓ scroll")
        width = max(40, page.size.width - 3)
        self.query_one("#page-text", Static).update(self._page.text(view, self._index, self.now, width))

    def _places(self) -> int:
        view = self.node_view
        return len(self.session.board.verdicts(view)) if view is not None else 0

    # ---- actions ----

    def action_next_npu(self) -> None:
        self._turn(1)

    def action_previous_npu(self) -> None:
        self._turn(-1)

    def _turn(self, step: int) -> None:
        """To another NPU, and to where it is shown."""
        self._index = (self._index + step) % max(1, self._places())
        self.show_all()
        page = self.query_one("#page")
        top = max(self._page.chips_line, self._page.chip_line - page.size.height + CHIP_LINES)
        self.call_after_refresh(page.scroll_to, y=top, animate=False)

    def action_drain(self) -> None:
        self.post_message(DrainAsked(self.node))

    def action_run(self) -> None:
        runs = self.session.board.runs_on(self.node)
        if runs:
            self.post_message(RunAsked(runs[0].run_id))
        else:
            self.notify(_("No run of this console is on {node}.").format(node=self.node), timeout=3)
