"""A run in a few figures, for scripts (pure)."""

from __future__ import annotations

import dataclasses
from statistics import median
from typing import Any

from backend.events import IterationLogged, StageName
from backend.state.run_state import RunView

_WARM_UP = 2


@dataclasses.dataclass(frozen=True, slots=True)
class RunSummary:
    """`tokens_per_s_per_npu` is the median over iterations without the first two, which include start-up."""

    run_id: str
    state: str
    nodes: int
    npus: int
    iterations: int
    first_loss: float | None
    last_loss: float | None
    tokens_per_s_per_npu: float | None
    wall_s: float

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def summarize(run: RunView, now: float) -> RunSummary:
    """`wall_s` from creation to the end, or to now while it goes on."""
    losses = [item.lm_loss for item in run.iterations if item.lm_loss is not None]
    speeds = [item.tokens_per_s_per_npu for item in run.iterations if item.tokens_per_s_per_npu is not None]
    steady = speeds[_WARM_UP:] or speeds
    end = now if run.active else run.changed_at
    return RunSummary(
        run_id=run.run_id,
        state=run.state.value,
        nodes=len(run.created.nodes),
        npus=run.created.npus,
        iterations=run.last.iteration if run.last is not None else 0,
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        tokens_per_s_per_npu=round(median(steady), 1) if steady else None,
        wall_s=round(end - run.created.at, 1),
    )


def run_to_json(run: RunView, now: float, *, iterations: bool) -> dict[str, Any]:
    """Everything that is known of a run; `iterations` adds every line of its log, once."""
    created = run.created
    document: dict[str, Any] = {
        **summarize(run, now).to_json(),
        "reason": run.reason,
        "model": created.model,
        "run_type": created.run_type,
        "engine": created.engine,
        "node_names": list(created.nodes),
        "fleet": created.fleet,
        "inventory": created.inventory_path,
        "actor": created.actor,
        "created_at": created.at,
        "changed_at": run.changed_at,
        "total_iterations": created.total_iterations,
        "stages": [_stage(run, name) for name in StageName],
        "checkpoint": dataclasses.asdict(run.checkpoint) if run.checkpoint is not None else None,
        "unreachable_nodes": [
            {"node": lost.node, "since": lost.at, "reason": lost.reason} for lost in run.lost_nodes.values()
        ],
        "log_gaps": [{"node": gap.node, "at": gap.at, "why": gap.why} for gap in run.gaps],
    }
    if iterations:
        document["iteration_log"] = [_iteration(item) for item in run.iterations]
    return document


def _stage(run: RunView, name: StageName) -> dict[str, Any]:
    stage = run.stages[name]
    return {
        "stage": name.value,
        "state": stage.state.value,
        "started_at": stage.started_at,
        "ended_at": stage.ended_at,
        "text": stage.text,
        "nodes": [{"node": node, "state": state.value, "text": text} for node, state, text in stage.nodes],
    }


def _iteration(item: IterationLogged) -> dict[str, Any]:
    values = dataclasses.asdict(item)
    del values["run_id"]
    return values
