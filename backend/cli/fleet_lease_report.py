"""Leases, for people and as JSON; and what was taken from whom."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any

from backend.cli.diagnostics import printable, say, say_problem
from backend.cli.equal_problems import together
from backend.cli.output import print_table
from backend.cli.own_commands import pasteable
from backend.fleet.hold_worker import GivenBack, names_of
from backend.fleet.leases import BY_HAND
from backend.fleet.node_sets import folded
from backend.problems import NpudeckError
from backend.state.lease import EVERYTHING, Lease
from backend.translation import _

Answer = tuple[Lease, ...] | NpudeckError


def say_given_back(given: GivenBack) -> None:
    if given.back:
        say(_("given back: {names}").format(names=folded(given.back)))
    say_taken(_("{node}: held by {names} again"), given.restored)
    for name, why in given.kept.items():
        words = _("{node} may be held still ({why}): npudeck fleet release {node} gives it back")
        if lost := given.lost[name]:
            words = _(
                "{node} may be held still ({why}), taken from {names}: npudeck fleet leases {node} says who "
                "has it; npudeck fleet release {node} gives it back, but not to them"
            )
            say(pasteable(words.format(node=name, why=why, names=printable(names_of(lost)))))
        else:
            say(pasteable(words.format(node=name, why=why)))


def say_held(names: Sequence[str], name: str | None) -> None:
    """Where others were not: a refusal elsewhere ends nothing here. `name`: what --as said."""
    argv = ["npudeck", "fleet", "release", folded(names), *(("--as", name) if name is not None else ())]
    words = _("held all the same: {names}; to give back: {command}")
    say(words.format(names=folded(names), command=pasteable(shlex.join(argv))))


def say_taken(words: str, leases: Mapping[str, Sequence[Lease]]) -> None:
    for name, taken in leases.items():
        say(words.format(node=name, names=printable(names_of(taken))))


def print_leases(answers: Mapping[str, Answer]) -> None:
    rows: list[tuple[str, ...]] = []
    errors = [answer for answer in answers.values() if isinstance(answer, NpudeckError)]
    for problem in together(problem for error in errors for problem in error.problems):
        say_problem(problem)
    for name, answer in answers.items():
        if isinstance(answer, NpudeckError):
            continue
        if not answer:
            rows.append((name, "-", _("free"), "-", "-", "-"))
        else:
            rows += [(name, *_row(lease)) for lease in answer]
    if not rows:
        return
    columns = (_("NODE"), _("NPU"), _("STATE"), _("RUN"), _("SINCE"), _("REMARK"))
    print_table(columns, [tuple(map(printable, row)) for row in rows])


def _row(lease: Lease) -> tuple[str, ...]:
    # a file that cannot be read says no time
    since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(lease.since)) if lease.since > 0 else "-"
    remarks = [_("by {actor}").format(actor=lease.actor), lease.why]
    if lease.state == "held" and lease.run_key.startswith(f"{BY_HAND}-"):
        # a run renews its lease, so this end would say nothing of it
        end = time.gmtime(time.time() + lease.ttl_s - lease.quiet_s)
        remarks.append(_("until {time}").format(time=time.strftime("%Y-%m-%d %H:%M UTC", end)))
    if lease.alive:
        remarks.append(_("{count} processes").format(count=lease.alive))
    if lease.over:
        remarks.append(_("over: the next who asks gets it"))
    return lease.device, lease.state, lease.run_key, since, ", ".join(filter(None, remarks))


def to_json(
    answers: Mapping[str, Answer],
    taken: Mapping[str, Sequence[Lease]] | None,
    held: Sequence[str] | None = None,
) -> dict[str, Any]:
    """`taken_from` is there where something could have been taken from others, `held` after `hold`."""
    nodes = []
    for name, answer in answers.items():
        node: dict[str, Any] = {
            "node": name,
            "leases": None if isinstance(answer, NpudeckError) else [_json(lease) for lease in answer],
            "problems": [one.to_json() for one in answer.problems]
            if isinstance(answer, NpudeckError)
            else [],
        }
        if taken is not None:
            node["taken_from"] = [_json(lease) for lease in taken.get(name, ())]
        nodes.append(node)
    return {"nodes": nodes} if held is None else {"held": list(held), "nodes": nodes}


def _json(lease: Lease) -> dict[str, Any]:
    return {
        "npu": None if lease.device == EVERYTHING else lease.device,
        "state": lease.state,
        "over": lease.over,
        "run": lease.run_key,
        "actor": lease.actor,
        "since": lease.since,
        "quiet_s": lease.quiet_s,
        "ttl_s": lease.ttl_s,
        "processes": lease.alive,
        "why": lease.why,
    }
