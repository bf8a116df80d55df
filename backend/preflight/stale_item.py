"""Training that runs on a node: left over from before, or somebody's. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backend.fleet.transport import Completed
from backend.preflight.item import Item, Repair, Verdict, lines_after, script, short, unknown, well, wrong
from backend.translation import _, ngettext

_PROCESSES = (
    "LC_ALL=C ps -ww -eo pid=,user=,etimes=,args= 2>/dev/null | head -c 2000000 | sed 's/^/npudeck-ps /'"
)
_TRAINING = re.compile(
    r"^(?:\S*\b(?:python[\d.]*|bash|sh)\b.*?|\S*/|)"
    r"(?P<what>\bpretrain_\w+\.py|\btorchrun\b|torch\.distributed\.(?:run|launch)\b"
    r"|0_pl_(?:pretrain|sft|lora)_\w+\.sh|\.npudeck/code/\S+/node\.zip train)"
)
_RUN = re.compile(r"\.npudeck/runs/([A-Za-z0-9._-]{1,60})/")
_MOST_PIDS = 16


@dataclass(frozen=True, slots=True)
class _Process:
    """`age_s`: None where `ps` said something else; `run`: the run of npudeck that it belongs to, or ""."""

    pid: str
    user: str
    age_s: int | None
    what: str
    run: str


def stale_item() -> Item:
    """The command that would end it is told; it is never run."""

    def judge(done: Completed) -> Verdict:
        rows = lines_after(done.text(), "npudeck-ps ")
        if not rows:
            return unknown(_("`ps` lists no processes: {said}").format(said=short(done.complaint())))
        found = [process for process in map(_training, rows) if process is not None]
        if not found:
            return well(_("none among {count} processes").format(count=len(rows)))
        return _left_over(found)

    return Item("stale_processes", _("no training from before"), script(_PROCESSES), judge)


def _left_over(found: Sequence[_Process]) -> Verdict:
    first = found[0]
    same = [one for one in found if (one.user, one.what, one.run) == (first.user, first.what, first.run)]
    ages = [one.age_s for one in same if one.age_s is not None]
    what = _("run {run}").format(run=first.run) if first.run else first.what
    others = _(", and {count} more").format(count=len(found) - len(same)) if len(found) > len(same) else ""
    exact = ngettext(
        "process {pids} of {user}, for {age}: {what}",
        "processes {pids} of {user}, for {age}: {what}",
        len(same),
    )
    alike = ngettext(
        "a process of {user}, for {age}: {what}", "{n} processes of {user}, for {age}: {what}", len(same)
    )
    words = exact.format(pids=_pids(same), user=first.user, age=_age(ages), what=what) + others
    folding = alike.format(n=len(same), user=first.user, age=_about(ages), what=what) + others
    if first.run:
        fix = _("`npudeck runs list` on the bastion that began run {run}; `npudeck stop` ends it")
        return replace(wrong(words, fix.format(run=first.run)), alike=folding)
    fix = _("ask the owner; if it is left over, end it there by `kill`: --json has each node's own command")
    repair = Repair(("kill", *(one.pid for one in found)), safe=False, as_root=True)
    return replace(wrong(words, fix, repair), alike=folding)


def _training(row: str) -> _Process | None:
    """A row of `ps`; None when it is no training."""
    parts = row.split(None, 3)
    if len(parts) < 4 or not parts[0].isdecimal():
        return None
    match = _TRAINING.match(parts[3])
    if match is None:
        return None
    run = _RUN.search(parts[3])
    age = parts[2] if parts[2].isascii() and parts[2].isdecimal() and len(parts[2]) < 12 else ""
    return _Process(
        parts[0][:12],
        short(parts[1], 30),
        int(age) if age else None,
        short(match["what"], 60),
        run[1] if run else "",
    )


def _pids(found: Sequence[_Process]) -> str:
    return ",".join(one.pid for one in found[:_MOST_PIDS]) + ("…" if len(found) > _MOST_PIDS else "")


def _age(ages: Sequence[int]) -> str:
    """Of the oldest, in two units."""
    if not ages:
        return "?"
    total = max(ages)
    for size, unit, smaller, below in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if total >= size:
            return f"{total // size} {unit} {total % size // smaller} {below}"
    return f"{total} s"


def _about(ages: Sequence[int]) -> str:
    """Without figures: what began on many nodes at once is a few seconds older on some."""
    if not ages:
        return "?"
    oldest = max(ages)
    if oldest >= 86_400:
        return _("days")
    if oldest >= 3_600:
        return _("hours")
    return _("minutes") if oldest >= 60 else _("seconds")
