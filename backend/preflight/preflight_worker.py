"""Ask every node of a run at the same time whether it can take part."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from backend.engines.stages import LaunchPlan, Site
from backend.events import StageStatus
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.preflight.checks import judge_devices, launch_items
from backend.preflight.item import Status, finding_of
from backend.preflight.npu_items import ask_table
from backend.problems import NodeError, Problem, Severity
from backend.translation import _

Report = Callable[[str, StageStatus, str], None]


async def preflight(
    transport: Transport, site: Site, plan: LaunchPlan, report: Report
) -> tuple[Problem, ...]:
    """Every problem of every node; `report(node, state, text)` as each one gets on."""
    parts = await asyncio.gather(
        *(_check_node(transport, site, plan, rank, node, report) for rank, node in enumerate(site.nodes))
    )
    problems = tuple(problem for part in parts for problem in part)
    if not problems and len(site.nodes) > 1:
        problems = await _shared_directory(transport, site)
    return problems


async def _check_node(
    transport: Transport, site: Site, plan: LaunchPlan, rank: int, node: Node, report: Report
) -> tuple[Problem, ...]:
    report(node.name, StageStatus.RUNNING, "")
    problems: list[Problem] = []
    try:
        for item in launch_items(node, plan.requirements, rank, site.shared_directory):
            verdict = item.judge(await transport.run(node, item.argv, timeout_s=30.0))
            if verdict.status in (Status.WRONG, Status.UNKNOWN):
                problems.append(finding_of(item, node.name, verdict).to_problem())
        if plan.requirements.npus_per_node and node.device != "cuda":
            done = await transport.run(node, ask_table(), timeout_s=15.0)
            problem = judge_devices(node, done, plan.requirements.npus_per_node)
            if problem is not None:
                problems.append(problem)
    except NodeError as error:
        problems += [_named(node, problem) for problem in error.problems]
    text = problems[0].what if problems else ""
    report(node.name, StageStatus.FAILED if problems else StageStatus.DONE, text)
    return tuple(problems)


def _named(node: Node, problem: Problem) -> Problem:
    return Problem(node.name, problem.severity, problem.what, problem.why, problem.fix)


async def _shared_directory(transport: Transport, site: Site) -> tuple[Problem, ...]:
    """A word written by rank 0's node must be read by all: the proof that the directory is shared."""
    word = secrets.token_hex(8)
    path = f"{site.shared_directory}/.npudeck-shared-{site.run_key}"
    first = site.nodes[0]
    try:
        await transport.run(first, ["sh", "-c", 'cat > "$1"', "sh", path], stdin=word.encode())
        answers = await asyncio.gather(*(transport.run(node, ["cat", path]) for node in site.nodes))
        await transport.run(first, ["rm", "-f", path])
    except NodeError as error:
        return error.problems
    return tuple(
        Problem(
            node.name,
            Severity.ERROR,
            _("{node} does not see the shared directory {path}").format(
                node=node.name, path=site.shared_directory
            ),
            _("what {first} wrote there cannot be read").format(first=first.name),
            _("mount the same file system on all nodes; only rank 0's node prepares data and weights"),
        )
        for node, answer in zip(site.nodes, answers, strict=True)
        if answer.text() != word
    )
