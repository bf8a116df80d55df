"""Events as lines for people (pure)."""

from __future__ import annotations

from backend.events import (
    CheckpointSaved,
    Event,
    IterationLogged,
    LogGapFound,
    NodeLinkChanged,
    RunCreated,
    RunStateChanged,
    StageChanged,
    StageName,
    StageProgressed,
    StageStatus,
)
from backend.translation import _

_GLYPHS = {
    StageStatus.PENDING: "·",
    StageStatus.RUNNING: "●",
    StageStatus.DONE: "✔",
    StageStatus.FAILED: "✖",
    StageStatus.SKIPPED: "–",
}


def telling(event: Event) -> str:
    """One line, or "" for what is not worth one."""
    match event:
        case RunCreated():
            return _("{run}: {model} {kind} on {nodes}").format(
                run=event.run_id, model=event.model, kind=event.run_type, nodes=", ".join(event.nodes)
            )
        case RunStateChanged():
            return f"{event.run_id} {event.state.value}" + (f": {event.reason}" if event.reason else "")
        case StageChanged(stage=StageName.EXPORT, state=StageStatus.SKIPPED):
            return ""
        case StageChanged() if not event.node:
            return f"{_GLYPHS[event.state]} {event.stage.value} {event.text}".rstrip()
        case StageChanged() if event.state is StageStatus.FAILED:
            return f"{_GLYPHS[event.state]} {event.stage.value} {event.node}: {event.text}"
        case StageProgressed():
            total = f"/{event.total:,.0f}" if event.total is not None else ""
            return f"  {event.stage.value} {event.done:,.0f}{total} {event.unit} {event.text}".rstrip()
        case IterationLogged():
            return _iteration(event)
        case CheckpointSaved():
            return _("  checkpoint at iteration {iteration:,}").format(iteration=event.iteration)
        case LogGapFound():
            return _("  log of {node}: gap ({why})").format(node=event.node, why=event.why)
        case NodeLinkChanged():
            if event.reachable:
                return _("  {node} answers again").format(node=event.node)
            return _("  {node} cannot be reached: {reason}").format(node=event.node, reason=event.reason)
    return ""


def _iteration(event: IterationLogged) -> str:
    total = f"/{event.total:,}" if event.total is not None else ""
    parts = [_("iteration {number:,}{total}").format(number=event.iteration, total=total)]
    if event.lm_loss is not None:
        parts.append(_("loss {value:.3f}").format(value=event.lm_loss))
    if event.tokens_per_s_per_npu is not None:
        parts.append(_("{value:,.0f} tokens/s/NPU").format(value=event.tokens_per_s_per_npu))
    if event.grad_norm is not None:
        parts.append(_("grad norm {value:.2f}").format(value=event.grad_norm))
    return "  " + " · ".join(parts)
