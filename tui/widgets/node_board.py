"""Has every node done its part: nodes down, stages across."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from backend.events import StageStatus
from backend.state.run_state import RunView
from backend.translation import _
from tui.formats import clean, clip
from tui.inks import Inks
from tui.run_words import stage_mark, was_stopped

CELL = 9


class NodeBoard(VerticalScroll):
    """One line a node of the run; a failed cell's text is written out beneath."""

    def __init__(self, inks: Inks, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._inks = inks
        self._text = Static()
        self._run: RunView | None = None

    def compose(self) -> ComposeResult:
        yield self._text

    def on_resize(self) -> None:
        if self._run is not None:
            self.show_run(self._run)

    def show_run(self, run: RunView) -> None:
        self._run = run
        self._text.update(board_text(run, self._inks, self.size.width))


def board_text(run: RunView, inks: Inks, width: int) -> Text:
    """The board as text; nodes that a stage does not name have no part in it."""
    text = Text(no_wrap=True)
    names = max([6, *(len(name) for name in run.created.nodes)]) + 2
    names = min(names, 16)
    stages = [stage.name for stage in run.story]
    share = min(CELL, (width - names) // len(stages))
    cells = {name: max(len(name.value) + 1, share) for name in stages}
    heads = "".join(name.value.ljust(cells[name]) for name in stages)
    text.append(" " * names + heads + "\n", inks["dim"])
    parts = {(name, node): (state, words) for name, s in run.stages.items() for node, state, words in s.nodes}
    for node in run.created.nodes:
        lost = run.active and node in run.lost_nodes
        text.append(clip(node, names - 1).ljust(names), inks["unknown" if lost else "text"])
        troubles = []
        for name in stages:
            part = parts.get((name, node))
            if part is None:
                text.append("·".ljust(cells[name]), inks["dim"])
                continue
            state, words = part
            mark, ink = stage_mark(run, state, lost, words)
            text.append(mark, inks[ink])
            failed = state is StageStatus.FAILED and not was_stopped(run, state, words)
            short = f" {clean(words)}" if not failed else ""
            # half a figure is none
            fits = short if len(short) < cells[name] - 1 else ""
            text.append(fits.ljust(cells[name] - 1), inks["dim"])
            if failed and words:
                troubles.append(clean(words))
        text.append("\n")
        for trouble in troubles:
            text.append(f"  {clip(trouble, max(20, width - 3))}\n", inks["alarm"])
        if lost:
            text.append(_("  not reached: its part is not known") + "\n", inks["unknown"])
    return text
