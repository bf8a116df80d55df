"""What a supervisor writes down: run states and stages, each only when it changes, each legal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from backend.clock import Clock
from backend.events import (
    Fact,
    NodeLinkChanged,
    RunStateChanged,
    RunStatus,
    StageChanged,
    StageName,
    StageStatus,
)
from backend.state.run_state import RunBook, RunView, may_follow


class Memory(Protocol):
    """As much of the store as the ledger needs."""

    def append(self, facts: list[Fact]) -> None: ...


class Ledger:
    """One run's book-keeping. `view` is what is known so far and takes in what is written."""

    def __init__(self, memory: Memory, view: RunView, clock: Clock) -> None:
        self._memory = memory
        self.view = view
        self._clock = clock

    @property
    def run_id(self) -> str:
        return self.view.run_id

    def write(self, *facts: Fact) -> None:
        self._memory.append(list(facts))
        self.take_in(facts)

    def take_in(self, facts: Iterable[Fact]) -> None:
        """Facts that stand in the store already."""
        RunBook({self.run_id: self.view}).apply(facts)

    def state(self, state: RunStatus, reason: str = "", exit_code: int = 0) -> None:
        """Move the run; staying where it is, or an illegal move, writes nothing."""
        if may_follow(self.view.state, state):
            self.write(RunStateChanged(self.run_id, self._clock.now(), state, reason, exit_code))

    def stage(self, stage: StageName, state: StageStatus, text: str = "", node: str = "") -> None:
        before = self.view.stages[stage]
        if not node and before.state is state and before.text == text:
            return
        if node and (node, state, text) in before.nodes:
            return
        self.write(StageChanged(self.run_id, self._clock.now(), stage, state, node, text))

    def done(self, stage: StageName) -> None:
        """A stage ended well; its text is how long it took."""
        started = self.view.stages[stage].started_at
        took = "" if started is None else f"{self._clock.now() - started:.1f} s"
        self.stage(stage, StageStatus.DONE, took)

    def link(self, node: str, reachable: bool, reason: str = "") -> None:
        """The link to a node came or went. A run with a lost node is unknown: never failed for that."""
        known_lost = node in self.view.lost_nodes
        if reachable != known_lost:
            return
        self.write(NodeLinkChanged(self.run_id, self._clock.now(), node, reachable, reason))
        if not reachable:
            self.state(RunStatus.UNKNOWN, f"{node}: {reason}")
        elif not self.view.lost_nodes and self.view.state is RunStatus.UNKNOWN:
            begun = self.view.stages[StageName.TRAIN].state is not StageStatus.PENDING
            self.state(RunStatus.RUNNING if begun else RunStatus.PREPARING)
