"""Is everything I have healthy, and if not, what?"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.widgets import Static

from backend.translation import _
from tui.actions import FLEET, actions_of, bindings_of
from tui.card_pane import CardPane
from tui.concern_groups import together
from tui.concerns import WHOLE_FLEET
from tui.fleet_board import Measure
from tui.formats import plural
from tui.node_words import NodeWords
from tui.requests import DrainAsked, NodeAsked, RunAsked
from tui.screens.deck_screen import DeckScreen
from tui.session import Session
from tui.widgets.concern_list import ConcernList
from tui.widgets.heat_grid import HeatGrid
from tui.widgets.key_line import Hints

FRAME = 3  # border and head of the grid
DETAIL, LEAST_DETAIL = 14, 9  # lines for the pane beneath it: to say it all; to say what matters
BESIDE, WIDE_BESIDE = 44, 62  # columns at least
SHARE = 0.6  # of the height, for the pane above the list
NO_INVENTORY = _(
    "No fleet yet: an inventory names the nodes.\n"
    "Three ways to get one:\n\n"
    "  npudeck demo\n"
    "      four nodes on this machine, to look around\n\n"
    "  npudeck demo fleet --dir DIR\n"
    "      the same, with its files in DIR to read and to copy\n\n"
    "  write npudeck.toml\n"
    "      your own nodes; start npudeck beside it, or npudeck -i FILE\n\n"
    "The recipe (3) and all commands (:) work without a fleet."
)


class FleetScreen(DeckScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(FLEET)]
    place = FLEET

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._measure = Measure.HEALTH
        self._unfolded = False
        self._words = NodeWords(session.board, session.feed.history, session.inks)
        self._pane = CardPane(session.board, self._words, session.inks)

    def compose_body(self) -> ComposeResult:
        if self.session.desk.inventory is None:
            yield Static(NO_INVENTORY, id="empty", markup=False)
            return
        with Container(id="fleet"):
            yield HeatGrid(self.session.inks, id="grid")
            with Vertical(id="beside"):
                with VerticalScroll(id="detail", can_focus=False):
                    yield Static(id="detail-text", markup=False)
                yield ConcernList(self.session.inks, id="concerns")

    def idle_actions(self) -> frozenset[str]:
        if self.session.desk.inventory is None:
            return frozenset({action.name for action in actions_of(FLEET)} | {"app.launch"})
        grids = self.query(HeatGrid)
        row = grids.first().current if grids else None
        idle = set() if row is not None and row.run else {"fleet.run"}
        if row is None or row.node == WHOLE_FLEET:
            idle.add("fleet.open")
        if row is None or row.folded or row.node == WHOLE_FLEET:
            idle.add("fleet.drain")
        if not self.session.board.concerns():
            idle |= {"fleet.next", "fleet.problems"}
        return frozenset(idle)

    def edit_hints(self) -> Hints:
        listed = isinstance(self.focused, ConcernList)
        return (("↑ ↓", _("move")), ("⏎", _("go to the card")), ("p", _("back"))) if listed else ()

    def on_mount(self) -> None:
        if self.session.desk.inventory is not None:
            self.query_one(HeatGrid).focus()

    def show_all(self) -> None:
        if self.session.desk.inventory is None or not self.query("#grid"):
            return
        grid = self.query_one(HeatGrid)
        rows = self.session.board.rows(self._measure, self.now, grid.room, self._unfolded)
        grid.show_rows(rows, marks_do=self._measure is Measure.HEALTH)
        self._share_room(grid)
        grid.border_title = _("Fleet · {measure}").format(measure=self._measure.value)
        grid.border_subtitle = _("m measure")
        self._show_detail()
        self._show_concerns()

    def _share_room(self, grid: HeatGrid) -> None:
        """The grid takes what its nodes need, and leaves room beside or beneath it to say what is wrong."""
        if not self.has_class("-narrow"):
            grid.styles.height = "100%"
            beside = WIDE_BESIDE if self.has_class("-wide") else BESIDE
            grid.styles.width = grid.width_within(self.query_one("#body").size.width - beside)
            return
        grid.styles.width = "1fr"
        body, nodes = self.query_one("#body").size.height, len(self.session.desk.fleet.nodes)
        wanted = min(nodes + FRAME + bool(self.session.board.differences()), body - LEAST_DETAIL)
        ill = self.session.board.ill_lines()
        if ill and not self._unfolded:  # the well ones fold
            wanted = min(wanted, max(ill + 1 + FRAME, body - DETAIL))
        grid.styles.height = max(5, wanted)

    def show_time(self) -> None:
        self.show_all()

    def restyle(self) -> None:
        for concerns in self.query(ConcernList):
            concerns.forget()
        super().restyle()

    def _show_concerns(self) -> None:
        counts = self.session.board.counts()
        inventory = self.session.desk.inventory
        hosts = {node.name: node.host for node in inventory.nodes} if inventory is not None else {}
        concerns = together(self.session.board.concerns(), hosts)
        quiet = plural(counts.npus, _("Nothing: the one NPU is well."), _("Nothing: all {n} NPUs are well."))
        listed = self.query_one(ConcernList)
        listed.show_concerns(concerns, quiet)
        title = _("needs a look · {n}").format(n=len(concerns)) if concerns else _("needs a look")
        listed.border_title = title

    def _show_detail(self) -> None:
        """What the cursor stands on, as much of it as the pane holds."""
        grid, pane = self.query_one(HeatGrid), self.query_one("#detail")
        row = grid.current
        view = self.session.desk.fleet.nodes.get(row.node) if row and not row.folded else None
        body = self.query_one("#body").size.height
        narrow = self.has_class("-narrow")
        height = body - int(grid.outer_size.height) - 2 if narrow else int(SHARE * body) - 2
        width, height, left_out = max(20, pane.size.width - 2), max(3, height), False
        if row is not None and row.node == WHOLE_FLEET:
            title, text, left_out = self._pane.difference(grid.column, self.now, width, height)
        elif view is None:
            title = row.node if row else ""
            text = Text(_("These nodes are well. Enter unfolds them.") if row else "")
        else:
            title = self._words.title(view, grid.column)
            text, left_out = self._pane.card(view, grid.column, self.now, width, height)
        pane.border_title = title
        pane.border_subtitle = _("⏎ all of it") if left_out and view is not None else ""
        self.query_one("#detail-text", Static).update(text)

    # ---- actions ----

    def action_measure(self) -> None:
        order = list(Measure)
        self._measure = order[(order.index(self._measure) + 1) % len(order)]
        self.show_all()

    def action_fold(self) -> None:
        self._unfolded = not self._unfolded
        self.show_all()

    def action_next_problem(self) -> None:
        """From where the cursor is to the next concern, round and round."""
        if self.session.desk.inventory is None:
            return
        grid = self.query_one(HeatGrid)
        places = list(dict.fromkeys((one.node, one.index) for one in self.session.board.concerns()))
        here = (grid.current.node, grid.column) if grid.current else ("", 0)
        if not places:
            self.notify(_("Nothing is wrong by what is known."), timeout=3)
            return
        grid.go_to(*places[(places.index(here) + 1) % len(places) if here in places else 0])

    def action_problems(self) -> None:
        """To the list and back; where there is room for both, the list is there anyway."""
        if self.session.desk.inventory is None:
            return
        concerns = self.query_one(ConcernList)
        away = concerns.has_focus
        self.set_class(not away, "-problems")
        (self.query_one(HeatGrid) if away else concerns).focus()
        if concerns.highlighted is None:
            concerns.action_first()
        self.show_all()

    @on(HeatGrid.CellOpened)
    def action_open(self) -> None:
        if self.session.desk.inventory is None:
            return
        grid = self.query_one(HeatGrid)
        row = grid.current
        if row is None or row.node == WHOLE_FLEET:
            return
        if row.folded:
            self.action_fold()
        else:
            self.post_message(NodeAsked(row.node, grid.column))

    def action_drain(self) -> None:
        if self.session.desk.inventory is None:
            return
        row = self.query_one(HeatGrid).current
        if row is not None and row.node in self.session.desk.fleet.nodes and not row.folded:
            self.post_message(DrainAsked(row.node))

    def action_run(self) -> None:
        if self.session.desk.inventory is None:
            return
        row = self.query_one(HeatGrid).current
        if row is not None and row.run:
            self.post_message(RunAsked(row.run))
        elif row is not None and row.node != WHOLE_FLEET:
            self.notify(_("No run of this console is on {node}.").format(node=row.node), timeout=3)

    @on(HeatGrid.CellHighlighted)
    def follow_cursor(self) -> None:
        self._show_detail()
        self.show_keys()

    @on(ConcernList.ConcernChosen)
    def go_to_concern(self, event: ConcernList.ConcernChosen) -> None:
        grid = self.query_one(HeatGrid)
        self.remove_class("-problems")
        grid.go_to(event.node, event.index)
        grid.focus()
