"""Who holds the NPUs of a node: a launch takes them all or ends. Pure."""

from __future__ import annotations

from backend.fleet.lease_script import LIST, parse_answer, words_of
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Item, Verdict, short, unknown, warning, well, wrong
from backend.preflight.setting import Setting
from backend.state.lease import EVERYTHING, Lease
from backend.translation import _


def lease_item(node: Node, setting: Setting) -> Item:
    """Without a recipe nothing is to be started: what computes there is only worth a remark."""
    place = setting.container.name if setting.container is not None else ""
    words = words_of(f"{node.work_directory}/.npudeck", "", place, 0, "", 0, "", False, ())

    def judge(done: Completed) -> Verdict:
        answer = parse_answer(done.text())
        if not done.ok or not answer.done:
            return unknown(short(done.complaint()))
        held = [lease for lease in answer.said("there") if not lease.over]
        if not held:
            return well(_("free"))
        fix = _("wait for it or stop it: `npudeck fleet leases {node}` says more").format(node=node.name)
        return (warning if setting.recipe is None else wrong)(short(_words(held)), fix)

    argv = ("sh", "-c", LIST, "npudeck-lease", *words)
    return Item("leases", _("nobody holds its NPUs"), argv, judge, setting.inside)


def _words(held: list[Lease]) -> str:
    first = held[0]
    if first.state == "broken":
        text = _("the lease of {what} cannot be read").format(what=_device(first))
    else:
        text = _("{what} held by run {run} of {actor}").format(
            what=_device(first), run=short(first.run_key, 60), actor=short(first.actor, 60)
        )
    return text + (_(" and {count} more").format(count=len(held) - 1) if len(held) > 1 else "")


def _device(lease: Lease) -> str:
    return _("all NPUs") if lease.device == EVERYTHING else _("NPU {id}").format(id=short(lease.device, 8))
