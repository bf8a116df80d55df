"""What must be true of a node before a launch: what every launch waits for (pure)."""

from __future__ import annotations

from backend.engines.stages import Requirements
from backend.events import NodeObserved
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.input_items import SCRIPT, fault_of, is_out_of_reach, read_inputs
from backend.preflight.item import Item, Place, Verdict, script, short, unknown, well, wrong
from backend.preflight.npu_health import danger, ill_npus, place_of, spite, too_ill
from backend.preflight.npu_items import computes_on_processors, observed
from backend.preflight.python_item import python_item
from backend.problems import Problem, Severity
from backend.translation import _

# a launch makes what is missing
_WRITABLE = 'mkdir -p -- "$1" && test -w "$1"'


def launch_items(
    node: Node, requirements: Requirements, rank: int, shared_directory: str
) -> tuple[Item, ...]:
    """The questions to one node, asked where the run will live, in the order in which a person would."""
    items = [
        _writable("work_directory", node, node.work_directory),
        python_item(node, requirements, rank, Place.HOST),
    ]
    if rank == 0:
        items.append(_writable("shared_directory", node, shared_directory))
        items.append(_readable(node, requirements))
    return tuple(items)


def _writable(name: str, node: Node, directory: str) -> Item:
    def judge(done: Completed) -> Verdict:
        if done.ok:
            return well(directory)
        what = _("{node} cannot write to {path}: {why}").format(
            node=node.name, path=directory, why=short(done.complaint())
        )
        return wrong(what, _("create it for the login user, or change it in the inventory"))

    return Item(name, _("{path}, writable").format(path=directory), script(_WRITABLE, directory), judge)


def _readable(node: Node, requirements: Requirements) -> Item:
    paths = requirements.readable

    def judge(done: Completed) -> Verdict:
        said = read_inputs(done.text())
        if len(said) != len(paths) or {} in said:
            return unknown(short(done.complaint()))
        for path, one in zip(paths, said, strict=True):
            fix = _("put it there, or correct the path in the recipe")
            if is_out_of_reach(one):
                return wrong(_("{path} cannot be read on {node}").format(path=path, node=node.name), fix)
            if fault := fault_of(one, path, shards=path not in requirements.without_weights):
                return wrong(f"{node.name}: {fault}", fix)
        return well(_("everything that is read is there"))

    needed = _("data and weights are prepared on rank 0's node, from the shared directory")
    return Item("inputs", needed, (node.python, "-c", SCRIPT, *paths), judge, timeout_s=30.0)


def judge_devices(node: Node, done: Completed, needed: int) -> Problem | None:
    """By the answer to `ask_table`: enough NPUs, well enough, and nobody on those that we would take."""
    if computes_on_processors(node, done):
        return None
    seen = observed(node, done)
    if not isinstance(seen, NodeObserved):
        return _problem(
            node,
            _("{node} does not answer for its NPUs").format(node=node.name),
            short(seen),
            _("run `npu-smi info` there; see `npudeck health`"),
        )
    if len(seen.devices) < needed:
        return _problem(
            node,
            _("{node} has {have} NPUs, the recipe needs {need}").format(
                node=node.name, have=len(seen.devices), need=needed
            ),
            _("npu-smi lists no more"),
            _("choose other nodes, or lower npus_per_node"),
        )
    if ill := too_ill(node, ill_npus(node, seen, needed)):
        return _problem(
            node,
            _("{place} of {node}: {what}").format(place=place_of(ill[0]), node=node.name, what=ill[0].what),
            danger(node, ill[0]),
            spite(node, ill),
        )
    if seen.processes:
        owner = seen.processes[0]
        return _problem(
            node,
            _("NPU {npu} of {node} is busy").format(npu=owner.npu_id, node=node.name),
            _("process {pid} ({name}) is on it").format(pid=owner.pid, name=owner.name),
            _("wait for it, stop it, or choose other nodes"),
        )
    return None


def _problem(node: Node, what: str, why: str, fix: str) -> Problem:
    return Problem(node.name, Severity.ERROR, what, why, fix)
