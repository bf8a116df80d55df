from __future__ import annotations

from backend.clock import SteppedClock
from backend.events import Fact, RunCreated, RunStatus, StageName, StageStatus
from backend.runs.ledger import Ledger
from backend.state.run_state import RunView


class Memory:
    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def append(self, facts: list[Fact]) -> None:
        self.facts += facts


def ledger() -> tuple[Ledger, Memory, SteppedClock]:
    created = RunCreated(
        "r1", 0.0, "u", "m", "pretrain", "native", ("a", "b"), 4, 9, 8, 128, "f", "/i", "", "me"
    )
    memory, clock = Memory(), SteppedClock(100.0)
    return Ledger(memory, RunView(created), clock), memory, clock


def test_only_changes_are_written_and_only_legal_ones() -> None:
    book, memory, _clock = ledger()
    book.state(RunStatus.RUNNING)
    assert memory.facts == []
    book.state(RunStatus.PREPARING)
    book.state(RunStatus.PREPARING)
    book.state(RunStatus.FAILED, "because")
    book.state(RunStatus.RUNNING)
    assert [type(fact).__name__ for fact in memory.facts] == ["RunStateChanged"] * 2
    assert book.view.state is RunStatus.FAILED


def test_a_stage_says_how_long_it_took() -> None:
    book, _memory, clock = ledger()
    book.stage(StageName.CHECK, StageStatus.RUNNING)
    clock.advance(2.5)
    book.done(StageName.CHECK)
    stage = book.view.stages[StageName.CHECK]
    assert (stage.state, stage.text, stage.ended_at) == (StageStatus.DONE, "2.5 s", 102.5)


def test_a_lost_link_makes_a_run_unknown_and_its_return_ends_that() -> None:
    book, memory, _clock = ledger()
    book.state(RunStatus.PREPARING)
    book.stage(StageName.TRAIN, StageStatus.RUNNING)
    book.state(RunStatus.RUNNING)
    book.link("a", True)
    book.link("a", False, "no answer")
    book.link("a", False, "no answer")
    book.link("b", False, "no answer")
    assert book.view.state is RunStatus.UNKNOWN
    book.link("a", True)
    assert book.view.state is RunStatus.UNKNOWN
    book.link("b", True)
    assert book.view.state is RunStatus.RUNNING
    assert sum(type(fact).__name__ == "NodeLinkChanged" for fact in memory.facts) == 4


def test_a_link_lost_while_preparing_returns_to_preparing() -> None:
    book, _memory, _clock = ledger()
    book.state(RunStatus.PREPARING)
    book.link("a", False, "x")
    book.link("a", True)
    assert book.view.state is RunStatus.PREPARING
