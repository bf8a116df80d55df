"""What keeps a recipe from working: each problem with its why, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from backend.problems import Problem, Severity
from backend.translation import _
from tui.inks import Inks


class ProblemList(OptionList):
    @dataclass
    class ProblemChosen(Message):
        """Enter on a problem: its field is wanted."""

        field: str

    def __init__(self, inks: Inks, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._inks = inks
        self._problems: tuple[Problem, ...] = ()

    @property
    def current(self) -> Problem | None:
        place = self.highlighted
        return self._problems[place] if place is not None and place < len(self._problems) else None

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        kept = self.highlighted
        self._problems = problems
        self.clear_options()
        if not problems:
            text = Text("✔ ", self._inks["well"])
            text.append(_("nothing stands in the way"), self._inks["text"])
            self.add_option(Option(text, disabled=True))
            return
        self.add_options([Option(self._prompt(problem)) for problem in problems])
        self.highlighted = min(kept or 0, len(problems) - 1)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self.current is not None:
            self.post_message(self.ProblemChosen(self.current.field))

    def _prompt(self, problem: Problem) -> Text:
        inks, text = self._inks, Text()
        error = problem.severity is Severity.ERROR
        text.append("✖ " if error else "▲ ", inks["alarm" if error else "warning"])
        text.append(problem.what, inks["strong"])
        if problem.why:
            text.append(f"\n{problem.why}", inks["dim"])
        if problem.fix:
            text.append(f"\n→ {problem.fix}", inks["text"])
        if problem.suggestion:
            text.append("\n" + _(". takes {value}").format(value=problem.suggestion), inks["accent"])
        return text
