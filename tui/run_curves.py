"""Loss and throughput of one run as series for the charts, brought up to date a slice at a time; pure."""

from __future__ import annotations

from backend.events import IterationLogged
from backend.state.run_state import RunView
from backend.telemetry.series import SeriesPyramid

SLICE = 4000


class RunCurves:
    """Follows a run's iterations; a restart that replaced some is noticed and drawn over."""

    def __init__(self) -> None:
        self.loss = SeriesPyramid()
        self.speed = SeriesPyramid()
        self._taken = 0
        self._last: IterationLogged | None = None

    def take(self, run: RunView) -> bool:
        """Take in at most `SLICE` iterations (a few ms); True when more are waiting."""
        items = run.iterations
        if self._taken > len(items) or (self._taken and items[self._taken - 1] is not self._last):
            self._rewind(items)
        for item in items[self._taken : self._taken + SLICE]:
            if item.lm_loss is not None:
                self.loss.append(item.iteration, item.lm_loss)
            if item.tokens_per_s_per_npu is not None:
                self.speed.append(item.iteration, item.tokens_per_s_per_npu)
            self._taken += 1
            self._last = item
        return self._taken < len(items)

    def _rewind(self, items: list[IterationLogged]) -> None:
        """Begin anew: which of the points still stand is only known to the list."""
        self.loss, self.speed = SeriesPyramid(), SeriesPyramid()
        self._taken, self._last = 0, None
