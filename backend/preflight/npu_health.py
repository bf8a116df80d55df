"""Are the NPUs that a run would take well enough for it? Pure."""

from __future__ import annotations

from collections.abc import Sequence

from backend.events import Finding, Level, NodeObserved
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Item, Verdict, short, unknown, warning, well, wrong
from backend.preflight.npu_items import ON_PROCESSORS, ask_table, computes_on_processors, observed
from backend.probes.circumstances import Circumstances
from backend.probes.judge_node import judge_node
from backend.translation import _

_WORST = {"ok": Level.WELL, "warning": Level.WARNING, "alarm": Level.ALARM, "critical": Level.CRITICAL}


def ill_npus(node: Node, seen: NodeObserved, needed: int) -> tuple[Finding, ...]:
    """What the table says against the first `needed` chips, which are those a run takes; the worst first."""
    taken = {(chip.npu_id, chip.chip_id) for chip in seen.devices[:needed]}
    found = judge_node(seen, (), None, Circumstances(node.name, seen.at))
    return tuple(one for one in found if (one.npu_id, one.chip_id) in taken)


def is_too_ill(node: Node, found: Finding) -> bool:
    """Beyond what the inventory allows. A chip that cannot be queried is no better than a critical one."""
    worst = _WORST[node.worst_health]
    return worst is not Level.CRITICAL and (found.level is Level.UNKNOWN or found.level > worst)


def too_ill(node: Node, found: Sequence[Finding]) -> list[Finding]:
    return [one for one in found if is_too_ill(node, one)]


def danger(node: Node, ill: Finding) -> str:
    """Why a launch does not take it."""
    if ill.level is Level.WARNING:
        return _('worst_health = "{word}" in the inventory allows no warning').format(word=node.worst_health)
    return _("a run would most likely be lost on it")


def spite(node: Node, ill: Sequence[Finding]) -> str:
    """What to do where `ill` are too ill, with what of worst_health would let all of them pass."""
    allowing = "critical"
    if all(one.level in (Level.WARNING, Level.ALARM) for one in ill):
        allowing = "warning" if all(one.level is Level.WARNING for one in ill) else "alarm"
    words = _(
        'take other nodes; {says}; to launch in spite of it, set worst_health = "{word}" in the inventory'
    )
    return words.format(says=_says(node), word=allowing)


def _says(node: Node) -> str:
    return _("`npudeck health {node}` says what is wrong").format(node=node.name)


def _first_of(found: Sequence[Finding], others: str) -> str:
    """What the first is said of, and after `others` where more is found."""
    places = list(dict.fromkeys(map(place_of, found)))
    text = f"{places[0]}: {found[0].what}"
    if len(places) > 1:
        text += "; " + others.format(places=short(", ".join(places[1:]), 80))
    return text


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
        if ill := too_ill(node, found):
            return wrong(_first_of(ill, _("too ill as well: {places}")), spite(node, ill))
        return warning(_first_of(found, _("also {places}")), _says(node))

    needed_text = _("no NPU worse than {word}").format(word=node.worst_health)
    return Item("npu_health", needed_text, ask_table(), judge, timeout_s=15.0)
