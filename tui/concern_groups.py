"""The same trouble of many nodes as one entry of the list; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from backend.live.node_names import named_together
from backend.state.name_in_text import renamed
from tui.concerns import WHOLE_FLEET, Concern

_HOST, _NODE = "HOST", "NODE"  # in place of the names that differ


def together(concerns: Sequence[Concern], hosts: Mapping[str, str]) -> list[Concern]:
    """In their order, each where the first of its nodes stood. `hosts`: what SSH connects to, by node."""
    groups: dict[tuple[object, ...], list[Concern]] = {}
    for place, one in enumerate(concerns):
        what = renamed(one.what, hosts.get(one.node, one.node), _HOST)
        fix = renamed(one.fix, one.node, _NODE)
        key = (one.level, one.npus, what, one.why, fix, one.more, one.drained)
        groups.setdefault(key if one.node != WHOLE_FLEET else (place,), []).append(one)
    return [_one(found, hosts) if len(found) > 1 else found[0] for found in groups.values()]


def _one(found: Sequence[Concern], hosts: Mapping[str, str]) -> Concern:
    first, earliest = found[0], min(found, key=lambda one: one.since)
    names = tuple(one.node for one in found)
    return replace(
        first,
        others=names[1:],
        what=renamed(first.what, hosts.get(first.node, first.node), _HOST),
        # a command takes all of them at once
        fix=renamed(first.fix, first.node, shlex.quote(named_together(names))),
        since=earliest.since,
        or_before=earliest.or_before,
    )
