"""What must be true of a node before a launch: name, command, judge, fix (pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backend.engines.stages import Requirements
from backend.events import NodeNotReached, NodeObserved
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.modules import SCRIPT, read_answer, too_old
from backend.problems import Problem, Severity
from backend.translation import _

_WRITABLE = 'mkdir -p -- "$1" && test -w "$1"'
_READABLE = 'for path; do test -r "$path" || { echo "$path"; exit 1; }; done'
_OLDEST_PYTHON = (3, 9)


@dataclass(frozen=True, slots=True)
class Check:
    """One question to one node. `judge` answers what is wrong, or None."""

    name: str
    argv: tuple[str, ...]
    judge: Callable[[Completed], Problem | None]


def node_checks(
    node: Node, requirements: Requirements, rank: int, shared_directory: str
) -> tuple[Check, ...]:
    """The checks of one node, in the order in which a person would make them."""
    modules = requirements.modules + (requirements.first_node_modules if rank == 0 else ())
    checks = [_writable(node, node.work_directory), _python(node, modules, requirements.oldest)]
    if rank == 0:
        checks.append(_writable(node, shared_directory))
        checks.append(_readable(node, requirements))
    return tuple(checks)


def _problem(node: Node, what: str, why: str, fix: str) -> Problem:
    return Problem(node.name, Severity.ERROR, what, why, fix)


def _writable(node: Node, directory: str) -> Check:
    def judge(done: Completed) -> Problem | None:
        if done.ok:
            return None
        return _problem(
            node,
            _("{node} cannot write to {path}").format(node=node.name, path=directory),
            done.complaint(),
            _("create it for the login user, or change it in the inventory"),
        )

    return Check("directory", ("sh", "-c", _WRITABLE, "sh", directory), judge)


def _python(node: Node, modules: tuple[str, ...], oldest: tuple[tuple[str, str], ...]) -> Check:
    def judge(done: Completed) -> Problem | None:
        if not done.ok:
            return _problem(
                node,
                _("{node} cannot run {python}").format(node=node.name, python=node.python),
                done.complaint(),
                _("set `python` of the node in the inventory to a Python ≥ 3.9"),
            )
        found = read_answer(done.text())
        if found.python[:2] < _OLDEST_PYTHON:
            version = ".".join(str(part) for part in found.python)
            return _problem(
                node,
                _("{node} has Python {version}").format(node=node.name, version=version),
                _("the code that runs on nodes needs Python ≥ 3.9"),
                _("set `python` of the node in the inventory"),
            )
        if found.missing:
            return _problem(
                node,
                _("{node} lacks {modules}").format(node=node.name, modules=", ".join(found.missing)),
                _("{python} cannot import what the engine needs").format(python=node.python),
                _("install it there, or set `python` of the node to one that has it"),
            )
        if old := too_old(found, oldest):
            return _problem(
                node,
                f"{node.name}: {'; '.join(old)}",
                _("{python} is what the engine would run with").format(python=node.python),
                _("update it there, set `python` of the node to another, or take the ascendspeed engine"),
            )
        return None

    return Check("python", (node.python, "-c", SCRIPT, *modules), judge)


def _readable(node: Node, requirements: Requirements) -> Check:
    def judge(done: Completed) -> Problem | None:
        if done.ok:
            return None
        path = done.complaint()
        return _problem(
            node,
            _("{path} cannot be read on {node}").format(path=path, node=node.name),
            _("data and weights are prepared on rank 0's node, from the shared directory"),
            _("put it there, or correct the path in the recipe"),
        )

    return Check("inputs", ("sh", "-c", _READABLE, "sh", *requirements.readable), judge)


def judge_devices(node: Node, seen: NodeObserved | NodeNotReached, needed: int) -> Problem | None:
    """Enough NPUs, and nobody on those that we would take."""
    if isinstance(seen, NodeNotReached):
        return _problem(
            node,
            _("{node} does not answer for its NPUs").format(node=node.name),
            seen.reason,
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
    if seen.processes:
        owner = seen.processes[0]
        return _problem(
            node,
            _("NPU {npu} of {node} is busy").format(npu=owner.npu_id, node=node.name),
            _("process {pid} ({name}) is on it").format(pid=owner.pid, name=owner.name),
            _("wait for it, stop it, or choose other nodes"),
        )
    return None
