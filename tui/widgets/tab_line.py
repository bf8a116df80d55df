"""The second line: where you are, by number; a click goes there as well."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual import events
from textual.widgets import Static

from backend.translation import _
from tui.actions import FLEET, NODE, RECIPE, RUN, RUNS
from tui.inks import Inks


class TabLine(Static):
    """`place` is the screen, `detail` what is open in it: a run's id, a node's name."""

    def __init__(self, inks: Inks, place: str, detail: str = "") -> None:
        super().__init__(id="tabs")
        self._inks = inks
        self._place = {RUN: RUNS, NODE: FLEET}.get(place, place)
        self._detail = detail

    def on_mount(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        inks, text = self._inks, Text(no_wrap=True)
        tabs = ((FLEET, "1", _("Fleet")), (RUNS, "2", _("Runs")), (RECIPE, "3", _("Recipe")))
        for place, number, title in tabs:
            here = place == self._place
            go = Style(meta={"go": f"app.show_{place}"})
            text.append(f" {number} ", inks["accent" if here else "dim"] + go)
            text.append(title, (inks["strong"] + Style(underline=True) if here else inks["dim"]) + go)
            if here and self._detail:
                text.append(f" › {self._detail}", inks["strong"])
            text.append("  ")
        self.update(text)

    async def on_click(self, event: events.Click) -> None:
        if (action := event.style.meta.get("go")) is not None:
            await self.run_action(action)
