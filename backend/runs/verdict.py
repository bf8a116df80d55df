"""Why a run failed, from what its nodes left behind (pure): the first to fail, not the loudest."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.problems import Problem
from backend.translation import _

# what a training of the native engine exits with after it was asked to end and has saved
SAVED_AND_STOPPED = 75


@dataclass(slots=True)
class NodeEvidence:
    """What one node says of its part of a stage.

    `exit_code` as the job's wrapper recorded it (128+n for signal n), None while unknown; `ended_at` in the
    node's own epoch seconds; `lost` why the wrapper lost the job; `rank`, `rank_exit_code` and `rank_signal`
    describe the first local rank that died, `problem` the last error the job printed.
    """

    node: str
    exit_code: int | None = None
    ended_at: float | None = None
    lost: str = ""
    rank: int | None = None
    rank_exit_code: int | None = None
    rank_signal: str = ""
    rank_at: float | None = None
    problem: Problem | None = None
    last_lines: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.lost) or (self.exit_code is not None and self.exit_code != 0)


def saved_and_stopped(evidence: Sequence[NodeEvidence]) -> bool:
    """Did every part that ended badly end so because somebody asked, after saving?"""
    failed = [item for item in evidence if item.failed]
    return bool(failed) and all(not item.lost and item.exit_code == SAVED_AND_STOPPED for item in failed)


def saved_words(evidence: Sequence[NodeEvidence], iteration: int | None) -> str:
    """What is left of a training that was stopped; `iteration` is that of its newest checkpoint."""
    if iteration is None:
        return _("no checkpoint was saved")
    if saved_and_stopped(evidence):
        return _("saved at iteration {iteration:,}").format(iteration=iteration)
    return _("its newest checkpoint is of iteration {iteration:,}").format(iteration=iteration)


def first_to_fail(evidence: list[NodeEvidence]) -> NodeEvidence | None:
    """The root: a rank killed from outside before one that merely lost its peers, then the earliest."""
    failed = [item for item in evidence if item.failed]
    if not failed:
        return None
    return min(failed, key=_order)


def _order(item: NodeEvidence) -> tuple[int, float]:
    killed = bool(item.lost) or bool(item.rank_signal) or (item.exit_code or 0) > 128
    at = item.rank_at if item.rank_at is not None else item.ended_at
    return (0 if killed else 1, at if at is not None else float("inf"))


def failure_sentence(evidence: list[NodeEvidence], unreachable: Sequence[str] = ()) -> str:
    """One sentence: node, rank, exit code, and the error in the job's own words; "" when nobody failed.

    `unreachable` are nodes of the run that do not answer: the root may well be there.
    """
    root = first_to_fail(evidence)
    if root is None:
        return ""
    who = root.node if root.rank is None else _("{node} rank {rank}").format(node=root.node, rank=root.rank)
    text = f"{who}: {how_it_ended(root)}"
    others = sum(1 for item in evidence if item.failed) - 1
    if others:
        text += _("; first of {count} nodes to fail").format(count=others + 1)
    if unreachable:
        text += _("; {names} cannot be reached, look there first").format(names=", ".join(unreachable))
    if root.problem is not None:
        text += f"; {root.problem.sentence()}"
    return text


def how_it_ended(item: NodeEvidence) -> str:
    """The end of one node's part in a few words: signal or exit code, or how it was lost."""
    if item.lost:
        return {
            "reboot": _("the node was restarted"),
            "container": _("the container was restarted"),
            "supervisor-killed": _("the job and its wrapper were killed"),
            "never-started": _("the job never started"),
        }.get(item.lost, item.lost)
    code = item.rank_exit_code if item.rank_exit_code is not None else item.exit_code
    name = item.rank_signal or signal_name(code)
    if name:
        return _("killed by {signal} (exit code {code})").format(signal=name, code=code)
    return _("exit code {code}").format(code=code)


def signal_name(exit_code: int | None) -> str:
    """SIGKILL for 137; "" for an exit code that is no signal."""
    if exit_code is None or not 128 < exit_code < 128 + 65:
        return ""
    try:
        return signal.Signals(exit_code - 128).name
    except ValueError:
        return ""
