"""The containers of a fleet, for people and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backend.cli.equal_problems import together
from backend.cli.own_commands import pasteable
from backend.cli.visible_text import visible
from backend.fleet.gather import by_equality
from backend.fleet.node_sets import folded
from backend.inventory import Container, Inventory
from backend.preflight.container_worker import ContainerThere
from backend.problems import ConflictError, NpudeckError
from backend.translation import _

Answer = ContainerThere | NpudeckError


def exit_code(answers: Sequence[Answer], wanted: str) -> int:
    """`wanted`: the state that is asked for, `runs` or `stopped` (to which `absent` is as good)."""
    if any(isinstance(answer, ConflictError) for answer in answers):
        return ConflictError.exit_code
    if any(isinstance(answer, NpudeckError) for answer in answers):
        return 4
    return int(any(not as_wanted(answer, wanted) for answer in answers if isinstance(answer, ContainerThere)))


def as_wanted(there: ContainerThere, wanted: str) -> bool:
    return there.well if wanted == "runs" else there.state != "runs"


def to_json(
    inventory: Inventory, container: Container, answers: Mapping[str, Answer], code: int
) -> dict[str, Any]:
    return {
        "fleet": inventory.name,
        "container": container.name,
        "image": container.image,
        "exit_code": code,
        "nodes": [_node_to_json(name, answer) for name, answer in answers.items()],
    }


def _node_to_json(name: str, answer: Answer) -> dict[str, Any]:
    if isinstance(answer, NpudeckError):
        problems = [problem.to_json() for problem in answer.problems]
        return {"node": name, "state": None, "problems": problems}
    return {
        "node": name,
        "state": answer.state,
        "well": answer.well,
        "docker": answer.docker,
        "image": answer.image,
        "faults": list(answer.faults),
        "others_on_its_npus": [{"name": other, "npus": list(npus)} for other, npus in answer.shared],
        "start": list(answer.start) if answer.start is not None else None,
        "words": answer.words,
    }


def lines_of(answers: Mapping[str, Answer], wanted: str) -> Iterator[str]:
    """A row for each group of nodes with the same answer."""
    rows = [(_("NODES"), _("STATE"), _("DOCKER"), _("IMAGE"), _("REMARK"))]
    for names, row in by_equality({name: _row(answer) for name, answer in answers.items()}):
        rows.append((folded(names), *row))
    widths = [max(len(cells[column]) for cells in rows) for column in range(4)]
    for cells in rows:
        shown = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
        yield visible("  ".join([*shown, cells[4]]).rstrip())
    good = sum(isinstance(one, ContainerThere) and as_wanted(one, wanted) for one in answers.values())
    yield ""
    words = (
        _("runs well on {good} of {all} nodes") if wanted == "runs" else _("ended on {good} of {all} nodes")
    )
    yield words.format(good=good, all=len(answers))
    errors = [answer for answer in answers.values() if isinstance(answer, NpudeckError)]
    for problem in together(problem for error in errors for problem in error.problems if problem.fix):
        yield visible(f"{problem.field}: {pasteable(problem.fix)}")


def _row(answer: Answer) -> tuple[str, str, str, str]:
    if isinstance(answer, NpudeckError):
        problem = answer.problems[0]
        return ("?", "-", "-", f"{problem.what}: {problem.why}" if problem.why else problem.what)
    remarks = list(answer.faults)
    remarks += [
        _("container {name} binds NPU {npus} too").format(name=name, npus=",".join(map(str, npus[:16])))
        for name, npus in answer.shared
    ]
    if not remarks and answer.words:
        remarks = [answer.words]
    if answer.start is not None and answer.start[1] == "start":
        remarks = [shlex.join(answer.start)]
    return (answer.state, answer.docker or "-", answer.image or "-", "; ".join(remarks))
