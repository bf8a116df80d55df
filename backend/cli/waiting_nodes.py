"""Of many nodes that are asked: how many have answered, and who is waited for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from backend.cli.job_display import Display
from backend.fleet.node_sets import folded
from backend.translation import _

_NAMED = 64
_WIDEST = 70


def show_waiting(shown: Display, names: Sequence[str], answered: Collection[str]) -> None:
    """`answered`: those of `names` that are done."""
    waiting = [name for name in names if name not in answered]
    done = len(names) - len(waiting)
    text = _("{done} of {total} nodes").format(done=done, total=len(names))
    if waiting:
        text += _(", waiting for {names}").format(names=folded(waiting[:_NAMED]))
    shown.move(done, len(names), text[:_WIDEST])
