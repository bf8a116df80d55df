from __future__ import annotations

from backend.events import (
    IterationLogged,
    NodeLinkChanged,
    RunStateChanged,
    RunStatus,
    StageChanged,
    StageName,
    StageProgressed,
    StageStatus,
)
from backend.runs.telling import telling


def test_events_as_lines() -> None:
    numbers = (8, 10.0, 1e-3, 8, 6.25, 1.0, 0.5, 0, 0, None, 1234.5)
    line = IterationLogged("r1", 2.0, 1, 1200, 5000, *numbers, "train/n2", 0)
    assert telling(line) == "  iteration 1,200/5,000 · loss 6.250 · 1,234 tokens/s/NPU · grad norm 0.50"
    assert telling(RunStateChanged("r1", 1.0, RunStatus.FAILED, "because")) == "r1 failed: because"
    done = StageChanged("r1", 1.0, StageName.DATA, StageStatus.DONE, text="2.1 s")
    assert telling(done) == "✔ data 2.1 s"
    part = StageChanged("r1", 1.0, StageName.DATA, StageStatus.DONE, "n1", "2.1 s")
    assert telling(part) == ""
    progress = StageProgressed("r1", 1.0, StageName.DATA, "n1", 1200.0, None, "records", "")
    assert telling(progress) == "  data 1,200 records"
    assert telling(NodeLinkChanged("r1", 1.0, "n1", True)) == "  n1 answers again"
