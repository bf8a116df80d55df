"""Who holds a node, in words: for its line in the grid, the pane of a card, the page of the node; pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from backend.cli.own_commands import pasteable
from backend.state.lease import EVERYTHING, Lease, NodeLeases
from backend.translation import _
from tui.finding_words import append_line
from tui.formats import age, clean, hang, since
from tui.inks import Inks

BY_HAND = "by-hand-"  # begins the name under which a person holds NPUs
OLD_S = 60.0


def user_of(holding: Lease) -> str:
    """The person alone, `ann` of `ann (root@gate)`; what is wrong with the lease where that matters more."""
    if holding.state == "broken":
        return _("broken")
    return clean(holding.actor.partition(" (")[0].partition("@")[0]) or _("held")


def in_force(said: NodeLeases | None) -> list[Lease]:
    """The leases that keep others away."""
    return [one for one in said.leases if not one.over] if said is not None else []


def short_holder(said: NodeLeases | None) -> str:
    """Who holds some of a node, for its line in the grid; "" for nobody, or when it is not known."""
    users = list(dict.fromkeys(user_of(one) for one in in_force(said)))
    return f"{users[0]}+{len(users) - 1}" if len(users) > 1 else "".join(users)


def append_holders(
    text: Text,
    node: str,
    said: NodeLeases | None,
    npu_id: int | None,
    own: Sequence[str],
    now: float,
    width: int,
    inks: Inks,
) -> None:
    """Who holds a card (`npu_id` None: the node); runs with one of the keys `own` are told elsewhere."""
    if said is None:
        if not own:
            words = _("no run of this console on {node}; who else holds it is not known")
            text.append(hang("", words.format(node=node), width, 0) + "\n", inks["dim"])
        return
    found = [one for one in said.leases if npu_id is None or one.covers(npu_id)]
    for one in found:
        if one.run_key not in own or one.state != "held":
            append_line(
                text, _("held") if not one.over else _("free"), _sentence(one, node, now), width, inks
            )
    if not found and not own:
        append_line(text, _("free"), _("nobody holds it"), width, inks)
    late = now - said.at
    if late > OLD_S:
        append_line(text, "", _("as the node said {age} ago").format(age=age(late)), width, inks)


def _sentence(one: Lease, node: str, now: float) -> str:
    if one.state == "broken":
        words = _("its lease cannot be read, so nobody gets it; npudeck fleet release {node} --steal")
        return pasteable(words.format(node=node))
    what = _("all of it") if one.device == EVERYTHING else _("NPU {id}").format(id=one.device)
    began = since(one.since, now)
    who = _("{what} by {actor}").format(what=what, actor=one.actor or "?")
    who += _(" since {began}").format(began=began) if began else ""
    hand = one.run_key.startswith(BY_HAND)
    who += _(", by hand") if hand else _(", run {run}").format(run=one.run_key)
    who += f": {one.why}" if one.why else ""
    if one.state == "orphaned":
        words = _("{who}; not renewed for {age}, but {count} of its processes live")
        return words.format(who=who, age=age(one.quiet_s), count=one.alive)
    if one.over:
        return _("{why}; it was {who}").format(why=_WHY_OVER.get(one.state, one.state), who=who)
    return who


_WHY_OVER = {
    "reboot": _("the machine has been started since"),
    "restart": _("its container has been started since"),
    "silent": _("its lease ran out"),
}
