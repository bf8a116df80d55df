"""Which log of a run is read, and from where: follows the stage that runs until another one is chosen."""

from __future__ import annotations

from collections.abc import Sequence

from backend.events import StageName
from backend.live.desk import LogSource

FIRST_BYTES = 131_072
STAGES = [stage.value for stage in StageName]


class LogTail:
    """The position in one log. `offset` is where the next chunk begins; negative: so many from the end."""

    def __init__(self) -> None:
        self.source = ""
        self.offset = -FIRST_BYTES
        self.chosen = False

    def follow_newest(
        self, sources: Sequence[LogSource], nodes: Sequence[str], failed: tuple[str, str] = ("", "")
    ) -> bool:
        """Take the log of the latest stage unless one was chosen; True when that is another one.

        Of several nodes (`nodes` in rank order) the last one: its last rank prints the iterations. After a
        failure the log of the stage and node that `failed` names comes first.
        """
        if not sources or (self.chosen and any(source.name == self.source for source in sources)):
            return False

        def lateness(source: LogSource) -> tuple[bool, int, bool, int]:
            stage = STAGES.index(source.stage) if source.stage in STAGES else -1
            named = bool(failed[1]) and source.node == failed[1]
            place = nodes.index(source.node) if source.node in nodes else -1
            return named and source.stage == failed[0], stage, named, place

        return self._turn(max(sources, key=lateness).name)

    def next_source(self, sources: Sequence[LogSource]) -> bool:
        """Choose the next one, in their order."""
        if not sources:
            return False
        names = [source.name for source in sources]
        place = names.index(self.source) if self.source in names else -1
        self.chosen = True
        return self._turn(names[(place + 1) % len(names)])

    def _turn(self, name: str) -> bool:
        if name == self.source:
            return False
        self.source, self.offset = name, -FIRST_BYTES
        return True
