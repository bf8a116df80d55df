"""What a launch would do, for the question before it: where, how much, and what speaks against it; pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from backend.engines.stages import LaunchPlan
from backend.events import Level, StageName
from backend.problems import Problem
from backend.recipes.derived import npus, train_iterations
from backend.recipes.fields import Recipe
from backend.state.fleet_state import FleetState
from backend.translation import _
from tui.fleet_board import FleetBoard
from tui.formats import clean, clip, plural, thousands
from tui.inks import GLYPHS, Inks

MOST_NAMES, MOST_LINES = 8, 4


def nodes_of(plan: LaunchPlan) -> tuple[str, ...]:
    """The nodes that the train stage runs on, in rank order."""
    stage = plan.stage(StageName.TRAIN)
    return tuple(dict.fromkeys(command.node for command in stage.commands)) if stage else ()


def launch_text(
    recipe: Recipe,
    nodes: Sequence[str],
    warnings: Sequence[Problem],
    fleet: FleetState,
    board: FleetBoard,
    inks: Inks,
) -> Text:
    text = Text(f"{clean(recipe.model)} {recipe.run_type}\n", inks["strong"])
    count = plural(recipe.nodes, _("{n} node"), _("{n} nodes"))
    text.append(_("{nodes}, {npus} NPU").format(nodes=count, npus=thousands(npus(recipe))), inks["text"])
    iterations = train_iterations(recipe)
    if iterations is not None:
        text.append(_(", {n} iterations").format(n=thousands(iterations)), inks["text"])
    if nodes:
        more = len(nodes) - MOST_NAMES
        names = ", ".join(nodes[:MOST_NAMES]) + (_(" and {n} more").format(n=more) if more > 0 else "")
        text.append("\n" + _("on {nodes}").format(nodes=names), inks["text"])
    doubts = _doubts(nodes, fleet, board)
    for level, sentence in doubts[:MOST_LINES]:
        text.append(f"\n{GLYPHS[level]} {sentence}", inks.level(level))
    if len(doubts) > MOST_LINES:
        rest = _("and {n} more of these nodes need a look").format(n=len(doubts) - MOST_LINES)
        text.append(f"\n  {rest}", inks["warning"])
    for problem in warnings[:3]:
        text.append("\n▲ ", inks["warning"])
        text.append(clip(problem.what, 120), inks["text"])
    return text


def _doubts(nodes: Sequence[str], fleet: FleetState, board: FleetBoard) -> list[tuple[Level, str]]:
    """What speaks against each node, the worst of it first."""
    found: list[tuple[Level, str]] = []
    for name in nodes:
        view = fleet.nodes.get(name)
        levels = [verdict.level for verdict in board.verdicts(view)] if view is not None else []
        worst = max(levels, default=Level.UNKNOWN)
        if worst >= Level.ALARM:
            count = sum(level >= Level.ALARM for level in levels)
            words = plural(count, _("{n} NPU in alarm"), _("{n} NPUs in alarm"))
            found.append((worst, f"{name}: {words}"))
        elif not levels or Level.UNKNOWN in levels:
            silent = view is None or not view.reachable
            words = _("not reached; its NPUs are unknown") if silent else _("NPUs in an unknown state")
            found.append((Level.UNKNOWN, f"{name}: {words}"))
        runs = board.runs_on(name)
        if runs:
            ids = ", ".join(run.run_id for run in runs[:3])
            found.append((Level.WARNING, _("{node}: used by run {runs}").format(node=name, runs=ids)))
    order = (Level.CRITICAL, Level.ALARM, Level.UNKNOWN, Level.WARNING)
    return sorted(found, key=lambda doubt: order.index(doubt[0]))
