"""How a stage may end other than well, as exceptions (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backend.events import StageName
from backend.runs.verdict import NodeEvidence, failure_sentence, saved_and_stopped


class StageFailed(Exception):
    """A stage ended badly; `sentence` says why, for people, `exit_code` for scripts."""

    def __init__(self, stage: StageName, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.stage = stage
        self.sentence = sentence
        self.exit_code = exit_code


class TrainingStopped(Exception):
    """The training saved and ended because somebody on a node told it to."""

    def __init__(self, evidence: Sequence[NodeEvidence]) -> None:
        super().__init__()
        self.evidence = evidence


def raise_unless_well(stage: StageName, evidence: Sequence[NodeEvidence], unreachable: Iterable[str]) -> None:
    """Raises `TrainingStopped`, or `StageFailed` with the first to fail; `unreachable`: nodes of the run."""
    if not any(item.failed for item in evidence):
        return
    if stage is StageName.TRAIN and saved_and_stopped(evidence):
        raise TrainingStopped(evidence)
    raise StageFailed(stage, failure_sentence(list(evidence), sorted(unreachable)))
