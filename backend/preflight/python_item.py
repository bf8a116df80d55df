"""The Python that would run the engine: there, new enough, with the modules that the engine needs. Pure."""

from __future__ import annotations

from backend.engines.stages import Requirements
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Item, Place, Status, Verdict, short, well, wrong
from backend.preflight.modules import SCRIPT, FoundModules, read_answer, too_old
from backend.translation import _

OLDEST_PYTHON = (3, 9)


def python_item(node: Node, requirements: Requirements | None, rank: int, place: Place) -> Item:
    """`rank` 0 prepares data and weights, and needs more."""
    needs = requirements or Requirements((), (), 0, ())
    modules = needs.modules + (needs.first_node_modules if rank == 0 else ())

    def judge(done: Completed) -> Verdict:
        if not done.ok:
            return wrong(
                _("{python} does not run: {why}").format(python=node.python, why=short(done.complaint())),
                _("set `python` of the node in the inventory to a Python ≥ 3.9"),
            )
        try:
            return _judge(node, read_answer(done.text()), needs)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return wrong(
                _("{python} answers something else").format(python=node.python), short(done.complaint())
            )

    words = _("Python ≥ 3.9")
    if modules:
        oldest = dict(needs.oldest)
        words += _(" with {modules}").format(
            modules=", ".join(f"{name} ≥ {oldest[name]}" if name in oldest else name for name in modules)
        )
    return Item("python", words, (node.python, "-c", SCRIPT, *modules), judge, place, 20.0)


def unusable_python(node: Node) -> Verdict:
    """For what else a Python was to find out: what is wrong with it is said by `python_item`."""
    words = _("no answer: the Python of {node} is not as it should be")
    return Verdict(Status.SKIPPED, words.format(node=node.name))


def _judge(node: Node, found: FoundModules, needs: Requirements) -> Verdict:
    if found.python[:2] < OLDEST_PYTHON:
        version = ".".join(str(part) for part in found.python)
        return wrong(
            _("it is Python {version}").format(version=version),
            _("the code that runs on nodes needs Python ≥ 3.9: set `python` of the node in the inventory"),
        )
    if found.missing:
        return wrong(
            _("{python} lacks {modules}").format(python=node.python, modules=", ".join(found.missing)),
            _("install it there, or set `python` of the node to one that has it"),
        )
    if old := too_old(found, needs.oldest):
        return wrong(
            "; ".join(old),
            _("update it there, set `python` of the node to another, or take the ascendspeed engine"),
        )
    versions = [f"{name} {version}" for name, version in found.versions.items() if version]
    python = ".".join(str(part) for part in found.python)
    return well(short(", ".join([f"Python {python}", *versions])))
