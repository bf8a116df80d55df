"""The frame that all screens share: header, tabs, body, keys; and the word that a terminal is too small."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen

from backend.translation import _
from tui.live_feed import Changes
from tui.screens.dialog_screen import DialogScreen
from tui.session import Session
from tui.widgets.header_line import HeaderLine
from tui.widgets.key_line import Hints, KeyLine
from tui.widgets.tab_line import TabLine
from tui.widgets.too_small import LEAST_HEIGHT, LEAST_WIDTH, TooSmall


class DeckScreen(Screen[None]):
    """A screen names its `place` in the registry, composes its body and shows what changed."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (140, "-wide")]  # noqa: RUF012
    place = ""

    def __init__(self, session: Session, detail: str = "") -> None:
        super().__init__()
        self.session = session
        self._detail = detail
        self.ready = False  # mounted with all that it is composed of

    def compose(self) -> ComposeResult:
        yield HeaderLine(self.session)
        yield TabLine(self.session.inks, self.place, self._detail)
        with Container(id="body"):
            yield from self.compose_body()
        yield TooSmall(id="too-small")
        yield KeyLine(self.session.inks, self.place)

    def compose_body(self) -> ComposeResult:
        raise NotImplementedError

    def idle_actions(self) -> frozenset[str]:
        """Names of actions that do nothing here and now."""
        return frozenset()

    def edit_hints(self) -> Hints:
        """The keys of what is being typed into; () when nothing is."""
        return ()

    def show_keys(self) -> None:
        """Bring the bottom line up to date: the dialog's keys, those of editing, or the screen's own."""
        front = self.app.screen
        if isinstance(front, DialogScreen):
            hints = front.hints()
        elif front is not self:
            hints = (("↑ ↓", _("move")), ("⏎", _("choose")), ("esc", _("back")))
        else:
            hints = self.edit_hints()
        for keys in self.query(KeyLine):
            keys.show(hints, self.idle_actions())

    def show_all(self) -> None:
        """Draw everything from state: on resume, on a new theme, after a resize."""
        raise NotImplementedError

    def show_changes(self, changes: Changes) -> None:
        """Draw what changed."""
        self.show_all()

    def show_time(self) -> None:
        """A second went by."""

    @property
    def now(self) -> float:
        return self.session.clock.now()

    def on_mount(self) -> None:
        self.ready = True

    def _redraw_header(self) -> None:
        for header in self.query(HeaderLine):  # none while the screen is being taken down
            header.redraw()

    def tick(self) -> None:
        self._redraw_header()
        self.show_time()
        self.show_keys()

    def take_changes(self, changes: Changes) -> None:
        self._redraw_header()
        self.show_changes(changes)
        self.show_keys()

    def restyle(self) -> None:
        """The theme changed."""
        self._redraw_header()
        self.query_one(TabLine).redraw()
        self.query_one(KeyLine).redraw()
        self.show_all()

    def on_screen_resume(self) -> None:
        self.call_after_refresh(self._resumed)

    def on_screen_suspend(self) -> None:
        if self.ready and self.app.is_running and self in self.app.screen_stack:
            self.show_keys()

    def on_descendant_focus(self) -> None:
        self.show_keys()

    def _resumed(self) -> None:
        if self.ready and self.is_attached and self.app.is_running:
            self._redraw_header()
            self.show_all()
            self.show_keys()

    def on_resize(self, event: events.Resize) -> None:
        small = event.size.width < LEAST_WIDTH or event.size.height < LEAST_HEIGHT
        self.set_class(small, "-too-small")
        self.query_one(TooSmall).tell()
        self.call_after_refresh(self._resumed)
