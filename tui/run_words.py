"""A run in words: its state, its stages, what is left, what is at risk; pure."""

from __future__ import annotations

import re

from rich.text import Text

from backend.events import RunStatus, StageName, StageStatus
from backend.state.run_state import RunView, StageView
from backend.translation import _
from tui.formats import age, clean, clip, clip_rows, clock, clock_short, duration, plural, size, thousands
from tui.inks import Inks

BAR_CELLS = 20
LEAST_TIMES = 3  # the first iteration warms up and says nothing of the others
STATE_MARKS: dict[RunStatus, tuple[str, str]] = {
    RunStatus.PENDING: ("·", "dim"),
    RunStatus.PREPARING: ("◌", "accent"),
    RunStatus.RUNNING: ("●", "accent"),
    RunStatus.UNKNOWN: ("?", "unknown"),
    RunStatus.STOPPING: ("◌", "accent"),
    RunStatus.FINISHED: ("✔", "well"),
    RunStatus.FAILED: ("✖", "alarm"),
    RunStatus.STOPPED: ("■", "text"),
}
STAGE_MARKS: dict[StageStatus, tuple[str, str]] = {
    StageStatus.PENDING: ("·", "dim"),
    StageStatus.RUNNING: ("●", "accent"),
    StageStatus.DONE: ("✔", "well"),
    StageStatus.FAILED: ("✖", "alarm"),
    StageStatus.SKIPPED: ("–", "dim"),
}


def stage_strip(run: RunView, inks: Inks, now: float, width: int = 0) -> Text:
    """`check ✔ 2.1 s   data ✔ 31 s   …   train ● 1,240/5,000`; no past times where `width` is small."""
    strip = _strip(run, inks, now, short=False)
    return _strip(run, inks, now, short=True) if width and strip.cell_len > width else strip


def _strip(run: RunView, inks: Inks, now: float, short: bool) -> Text:
    text = Text()
    for stage in run.story:
        mark, ink = stage_mark(run, stage.state, False, stage.text)
        strong = stage.state in (StageStatus.RUNNING, StageStatus.FAILED)
        text.append(f"{stage.name.value} ", inks["strong" if strong else "dim"])
        text.append(mark, inks[ink])
        past = stage.state is StageStatus.DONE and stage.name is not StageName.TRAIN
        measure = "" if short and past else _stage_measure(run, stage, now)
        text.append(f" {measure}" if measure else "", inks["text" if strong else "dim"])
        text.append("  ")
    text.rstrip()
    return text


def was_stopped(run: RunView, state: StageStatus, words: str) -> bool:
    """Did this stage end because somebody stopped the run? That is no failure of its own."""
    ended = run.state in (RunStatus.STOPPED, RunStatus.STOPPING) and state is StageStatus.FAILED
    return ended and words in ("stopped", _("stopped"))


def stage_mark(run: RunView, state: StageStatus, lost: bool, words: str = "") -> tuple[str, str]:
    """Glyph and ink. What ran when it was last seen is unknown behind a lost link, and over with its run."""
    if state is StageStatus.RUNNING:
        if run.state is RunStatus.UNKNOWN or lost:
            return "?", "unknown"
        if not run.active:
            return "■", "dim"
    if was_stopped(run, state, words):
        return "■", "text"
    return STAGE_MARKS[state]


def _stage_measure(run: RunView, stage: StageView, now: float) -> str:
    stopped = _("stopped") if was_stopped(run, stage.state, stage.text) else ""
    if stage.name is StageName.TRAIN and run.last is not None:
        total = run.last.total or run.created.total_iterations
        reached = thousands(run.last.iteration) + (f"/{thousands(total)}" if total else "")
        return f"{stopped} {reached}".lstrip()
    if stopped:
        return stopped
    if stage.state is StageStatus.RUNNING:
        progress = stage.progress
        if progress is not None and progress.total:
            return f"{100 * progress.done / progress.total:.0f} %"
        if progress is not None:
            return (
                size(progress.done)
                if progress.unit == "bytes"
                else f"{thousands(progress.done)} {progress.unit}"
            )
        # a run whose state is unknown has no clock that could be trusted
        live = run.active and run.state is not RunStatus.UNKNOWN
        return age(now - stage.started_at) if live and stage.started_at is not None else ""
    if stage.started_at is not None and stage.ended_at is not None:
        return age(stage.ended_at - stage.started_at)
    return ""


def state_line(run: RunView, inks: Inks, now: float, width: int = 76, rows: int = 3) -> Text:
    """The state, since when, and why: as much of it as `rows` lines of `width` cells hold."""
    mark, ink = STATE_MARKS[run.state]
    text = Text()
    text.append(f"{mark} {run.state.value}", inks[ink] if ink != "text" else inks["strong"])
    words = _(" since {clock} ({age})") if run.active else _(" {clock} ({age} ago)")
    at = _since(run)
    since = words.format(clock=clock_short(at, now), age=age(now - at))
    text.append(since, inks["dim"])
    _append_bar(text, run, inks)
    reason = clip_rows(_reason(run), width, rows, text.cell_len + 2)
    if reason:
        text.append(f"  {reason}", inks["text" if run.state is not RunStatus.FAILED else "alarm"])
    return text


def _since(run: RunView) -> float:
    """When the state began; a run runs since its training began, whatever was unknown between."""
    begun = run.stages[StageName.TRAIN].started_at
    return begun if run.state is RunStatus.RUNNING and begun is not None else run.changed_at


def failed_part(run: RunView) -> tuple[str, str]:
    """Stage and node that the reason of a failure names first, "" for what it does not name."""
    if run.state is not RunStatus.FAILED:
        return "", ""
    head, found, _rest = run.reason.partition(" ")
    stage = head if found and head in [name.value for name in StageName] else ""
    places = {
        node: match.start()
        for node in run.created.nodes
        if (match := re.search(rf"(?<![\w.-]){re.escape(node)}(?![\w-])", run.reason))
    }
    return stage, min(places, key=lambda node: places[node], default="")


def _reason(run: RunView) -> str:
    if run.reason:
        return clean(run.reason)
    running = _running_stage(run)
    if running is not None and running.progress is not None and running.progress.text:
        return clean(running.progress.text)
    return ""


def _running_stage(run: RunView) -> StageView | None:
    return next((s for s in run.stages.values() if s.state is StageStatus.RUNNING), None)


def _append_bar(text: Text, run: RunView, inks: Inks) -> None:
    """How far the running stage is; nothing while it does not say, or while nobody hears it."""
    stage = _running_stage(run)
    if run.state not in (RunStatus.PREPARING, RunStatus.RUNNING) or stage is None or stage.progress is None:
        return
    progress = stage.progress
    if not progress.total:
        return
    filled = min(BAR_CELLS, int(BAR_CELLS * progress.done / progress.total))
    text.append("  ")
    text.append("━" * filled, inks["accent"])
    text.append("─" * (BAR_CELLS - filled), inks["dim"])


def safety_line(run: RunView, inks: Inks, now: float) -> Text:
    """What is left, and the work that would be lost if the run ended now."""
    text = Text()
    training = run.stages[StageName.TRAIN].state is not StageStatus.DONE
    if run.state is RunStatus.RUNNING and training:
        left = seconds_left(run)
        if left is not None:
            words = _("left {left} (until {clock})   ")
            text.append(words.format(left=duration(left), clock=clock_short(now + left, now)), inks["text"])
        else:
            text.append(_("time left: known after the first iterations   "), inks["dim"])
    saved = run.checkpoint
    if saved is not None:
        words = _("checkpoint it {iteration}, {age} ago")
        text.append(words.format(iteration=thousands(saved.iteration), age=age(now - saved.at)), inks["text"])
    else:
        text.append(_("no checkpoint yet") if run.active else _("no checkpoint"), inks["dim"])
    if run.active and training and run.last is not None:
        start = saved.at if saved is not None else run.stages[StageName.TRAIN].started_at
        if start is not None:
            text.append(_(" (at risk: {age})").format(age=age(now - start)), inks["dim"])
    return text


def trouble_line(run: RunView, inks: Inks, now: float) -> Text:
    """Links that are lost and parts of logs that are gone; empty when there is nothing to say.

    With the end of a run its lost links are history: its reason tells of them.
    """
    text = Text()
    links = list(run.lost_nodes.values()) if run.active else []
    for lost in links[:2]:
        words = _("? {node} not reached since {clock} ({age}): what it does is not known   ")
        line = words.format(node=lost.node, clock=clock(lost.at), age=age(now - lost.at))
        text.append(line, inks["unknown"])
    if len(links) > 2:
        text.append(_("and {n} more   ").format(n=len(links) - 2), inks["unknown"])
    if run.gaps:
        gap = run.gaps[-1]
        text.append("\n" if text.plain else "")
        text.append(
            _("▲ log gap on {node}: {why}").format(node=gap.node, why=clean(gap.why)), inks["warning"]
        )
    return text


def seconds_left(run: RunView) -> float | None:
    """Remaining iterations times the median of the last twenty; None before anything is known."""
    total = (run.last.total if run.last else None) or run.created.total_iterations
    times = sorted(item.elapsed_ms for item in run.iterations[-20:] if item.elapsed_ms)
    if run.last is None or not total or len(times) < LEAST_TIMES:
        return None
    return max(0, total - run.last.iteration) * times[len(times) // 2] / 1000.0


def waited_for(run: RunView, now: float) -> str:
    """Why a chart is still empty."""
    if not run.active:
        return _("this run logged no iteration")
    if run.state is RunStatus.UNKNOWN:
        return _("no iteration seen before the link was lost")
    current = next((s for s in run.stages.values() if s.state is StageStatus.RUNNING), None)
    if current is None:
        return _("waiting for the run to begin")
    since = (
        _("\n{age} so far").format(age=age(now - current.started_at))
        if current.started_at is not None
        else ""
    )
    if current.name is StageName.TRAIN:
        return _("waiting for the first iteration{since}").format(since=since)
    return _("the first point comes after stage {stage}{since}").format(stage=current.name.value, since=since)


def nodes_text(run: RunView) -> str:
    """`2 × 2` for two nodes of two NPUs."""
    count = len(run.created.nodes)
    if count and run.created.npus % count == 0:
        return f"{count}×{run.created.npus // count}"
    return f"{count}/{run.created.npus}"


def run_title(run: RunView) -> str:
    made = run.created
    nodes = plural(len(made.nodes), _("{n} node"), _("{n} nodes"))
    return f"{made.run_id} · {clean(made.model)} {made.run_type} · {nodes}, {made.npus} NPU"


def iteration_text(run: RunView) -> str:
    if run.last is None:
        return "–"
    total = run.last.total or run.created.total_iterations
    text = thousands(run.last.iteration)
    return f"{text}/{short_count(total)}" if total and run.active else text


def short_count(number: int) -> str:
    """`5,000` -> `5k`, where nothing is lost by it."""
    return f"{number // 1000:,}k" if number >= 1000 and number % 1000 == 0 else thousands(number)


def why_line(run: RunView, width: int) -> str:
    """One line for the list: why a run failed, or why nothing is known of it; "" otherwise."""
    if run.state not in (RunStatus.FAILED, RunStatus.UNKNOWN):
        return ""
    reason = clean(run.reason).splitlines()
    if not reason and run.lost_nodes:
        reason = [_("{node} not reached").format(node=next(iter(run.lost_nodes)))]
    return clip(reason[0], width) if reason else _("no reason was recorded")
