"""What is known of each run: the one owner of that state, and the only place that knows legal transitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from backend.events import (
    CheckpointSaved,
    Event,
    IterationLogged,
    LogGapFound,
    NodeLinkChanged,
    RunCreated,
    RunStateChanged,
    RunStatus,
    StageChanged,
    StageName,
    StageProgressed,
    StageStatus,
)

TERMINAL = frozenset({RunStatus.FINISHED, RunStatus.FAILED, RunStatus.STOPPED})

_NEXT: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.PENDING: frozenset(
        {RunStatus.PREPARING, RunStatus.FAILED, RunStatus.STOPPING, RunStatus.STOPPED}
    ),
    RunStatus.PREPARING: frozenset(
        {RunStatus.RUNNING, RunStatus.UNKNOWN, RunStatus.FAILED, RunStatus.STOPPING, RunStatus.STOPPED}
    ),
    RunStatus.RUNNING: frozenset(
        {RunStatus.UNKNOWN, RunStatus.STOPPING, RunStatus.FINISHED, RunStatus.FAILED, RunStatus.STOPPED}
    ),
    RunStatus.UNKNOWN: frozenset(
        {
            RunStatus.PREPARING,
            RunStatus.RUNNING,
            RunStatus.STOPPING,
            RunStatus.FINISHED,
            RunStatus.FAILED,
            RunStatus.STOPPED,
        }
    ),
    RunStatus.STOPPING: frozenset({RunStatus.STOPPED, RunStatus.FAILED, RunStatus.FINISHED}),
    RunStatus.FINISHED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.STOPPED: frozenset(),
}


def may_follow(before: RunStatus, after: RunStatus) -> bool:
    """Is this transition legal? Staying is not a transition."""
    return after in _NEXT[before]


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage over all nodes; `nodes` maps a node's name to its part (state, text)."""

    name: StageName
    state: StageStatus = StageStatus.PENDING
    started_at: float | None = None
    ended_at: float | None = None
    text: str = ""
    nodes: tuple[tuple[str, StageStatus, str], ...] = ()
    progress: StageProgressed | None = None


@dataclass(slots=True)
class RunView:
    """One run as last known; iterations in the order of the log, a restart replacing what it repeats."""

    created: RunCreated
    state: RunStatus = RunStatus.PENDING
    reason: str = ""
    exit_code: int = 0
    changed_at: float = 0.0
    stages: dict[StageName, StageView] = field(
        default_factory=lambda: {name: StageView(name) for name in StageName}
    )
    iterations: list[IterationLogged] = field(default_factory=list)
    checkpoint: CheckpointSaved | None = None
    gaps: list[LogGapFound] = field(default_factory=list)
    lost_nodes: dict[str, NodeLinkChanged] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        return self.created.run_id

    @property
    def active(self) -> bool:
        return self.state not in TERMINAL

    @property
    def story(self) -> tuple[StageView, ...]:
        """The stages that are worth telling: an export only of a run that wants one.

        A run says so when its supervisor begins; one that ended without getting there has none to tell of.
        """
        export = self.stages[StageName.EXPORT]
        told = export.state not in (StageStatus.SKIPPED, StageStatus.PENDING)
        waits = export.state is StageStatus.PENDING and self.active and self.state is not RunStatus.PENDING
        return tuple(s for s in self.stages.values() if s is not export or told or waits)

    @property
    def last(self) -> IterationLogged | None:
        return self.iterations[-1] if self.iterations else None


@dataclass(slots=True)
class RunBook:
    """All runs, by id, in order of creation."""

    runs: dict[str, RunView] = field(default_factory=dict)

    def apply(self, batch: Iterable[Event]) -> set[str]:
        """Take in what happened; answer the ids of the runs that changed."""
        changed: set[str] = set()
        for event in batch:
            if isinstance(event, RunCreated):
                self.runs.setdefault(event.run_id, RunView(event, changed_at=event.at))
                changed.add(event.run_id)
                continue
            run_id = getattr(event, "run_id", None)
            run = self.runs.get(run_id) if run_id is not None else None
            if run is not None and _apply(run, event):
                changed.add(run.run_id)
        return changed

    def newest_first(self) -> list[RunView]:
        return sorted(self.runs.values(), key=lambda run: -run.created.at)


def _apply(run: RunView, event: Event) -> bool:
    match event:
        case RunStateChanged():
            run.state, run.reason, run.changed_at = event.state, event.reason, event.at
            run.exit_code = event.exit_code
        case StageChanged():
            run.stages[event.stage] = _stage_after(run.stages[event.stage], event)
        case StageProgressed():
            run.stages[event.stage] = replace(run.stages[event.stage], progress=event)
        case IterationLogged():
            _log_iteration(run, event)
        case CheckpointSaved():
            run.checkpoint = event
        case LogGapFound():
            run.gaps.append(event)
        case NodeLinkChanged():
            if event.reachable:
                run.lost_nodes.pop(event.node, None)
            else:
                run.lost_nodes[event.node] = event
        case _:
            return False
    return True


def _stage_after(stage: StageView, event: StageChanged) -> StageView:
    if event.node:
        parts = tuple(part for part in stage.nodes if part[0] != event.node)
        return replace(stage, nodes=(*parts, (event.node, event.state, event.text)))
    started = event.at if event.state is StageStatus.RUNNING else stage.started_at
    ended = event.at if event.state in (StageStatus.DONE, StageStatus.FAILED) else None
    return replace(stage, state=event.state, started_at=started, ended_at=ended, text=event.text)


def _log_iteration(run: RunView, event: IterationLogged) -> None:
    """A repeated or lower iteration is a restart: the later attempt wins."""
    while run.iterations and run.iterations[-1].iteration >= event.iteration:
        run.iterations.pop()
    run.iterations.append(event)
