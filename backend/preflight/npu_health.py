"""Are the NPUs that a run would take well enough for it? Pure."""

from __future__ import annotations

from backend.events import Finding, Level, NodeObserved
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Item, Verdict, short, unknown, warning, well, wrong
from backend.preflight.npu_items import ON_PROCESSORS, ask_table, computes_on_processors, observed
from backend.probes.circumstances import Circumstances
from backend.probes.judge_node import judge_node
from backend.translation import _, ngettext

_WORST = {"ok": Level.WELL, "warning": Level.WARNING, "alarm": Level.ALARM, "critical": Level.CRITICAL}
FIX = _(
    "take other nodes; `npudeck health {node}` says what is wrong; to launch in spite of it, set worst_health"
    " in the inventory"
)


def ill_npus(node: Node, seen: NodeObserved, needed: int) -> tuple[Finding, ...]:
    """What the table says against the first `needed` chips, which are those a run takes; the worst first."""
    taken = {(chip.npu_id, chip.chip_id) for chip in seen.devices[:needed]}
    found = judge_node(seen, (), None, Circumstances(node.name, seen.at))
    return tuple(one for one in found if (one.npu_id, one.chip_id) in taken)


def is_too_ill(node: Node, found: Finding) -> bool:
    """Beyond what the inventory allows. A chip that cannot be queried is no better than a critical one."""
    worst = _WORST[node.worst_health]
    return worst is not Level.CRITICAL and (found.level is Level.UNKNOWN or found.level > worst)


def place_of(found: Finding) -> str:
    """ "NPU 3 chip 0"."""
    return _("NPU {npu} chip {chip}").format(npu=found.npu_id, chip=found.chip_id)


def npu_health_item(node: Node, needed: int) -> Item:
    def judge(done: Completed) -> Verdict:
        if computes_on_processors(node, done):
            return well(ON_PROCESSORS)
        seen = observed(node, done)
        if not isinstance(seen, NodeObserved):
            return unknown(short(seen))
        found = ill_npus(node, seen, needed)
        if not found:
            return well(_("nothing is wrong by their table"))
        said = sorted(found, key=lambda one: not is_too_ill(node, one))
        places = list(dict.fromkeys(place_of(one) for one in said))
        text = f"{places[0]}: {said[0].what}"
        if more := len(places) - 1:
            text += ngettext(" and {n} NPU more", " and {n} NPUs more", more).format(n=more)
        if is_too_ill(node, said[0]):
            return wrong(text, FIX.format(node=node.name))
        return warning(text, _("`npudeck health {node}` says what is wrong").format(node=node.name))

    needed_text = _("no NPU worse than {word}").format(word=node.worst_health)
    return Item("npu_health", needed_text, ask_table(), judge, timeout_s=15.0)
