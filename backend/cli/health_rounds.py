"""The rounds of `npudeck health`: one question to every node, one page of answers."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from backend.cli import output
from backend.cli.health_findings import blocks, fleet_findings
from backend.cli.health_report import (
    COLUMNS,
    advice,
    exit_code,
    fleet_of,
    not_answered_lines,
    summary,
    to_json,
    to_rows,
)
from backend.cli.job_display import display
from backend.cli.waiting_nodes import show_waiting
from backend.events import Event, Finding, NodeDetailed, NodeNotReached
from backend.fleet.connect_client import connect
from backend.fleet.fan_out import as_done
from backend.inventory import Inventory, Node
from backend.probes.circumstances import Circumstances
from backend.probes.node_record import NodeRecord
from backend.probes.probe_worker import examine, reason_of
from backend.problems import NpudeckError
from backend.state.fleet_state import FleetState
from backend.translation import _

# without a job that says from when it counts: outages of a link that are older than a day are history
_HISTORY_S = 86400.0
_DEEP_TIMEOUT_S = 120.0

Answer = tuple[Event, NodeDetailed | None]


async def rounds(arguments: argparse.Namespace, inventory: Inventory, names: tuple[str, ...]) -> int:
    """Ask and print until done, or until nobody reads; the exit code of the last round."""
    code = 0
    differences: tuple[Finding, ...] = ()
    began, ended = time.time(), None
    async for batch in batches(arguments, inventory, names):
        fleet = fleet_of(inventory, names)
        fleet.apply(batch)
        now = time.time()
        ended = ended or now
        differences = fleet_findings(fleet, now, differences)
        if arguments.json:
            output.print_json(to_json(inventory.name, now, fleet, differences), compact=arguments.watch)
        else:
            if arguments.watch:
                _begin_page()
            _print_page(fleet, differences, now, (began, ended), deep=arguments.deep)
        code = exit_code(fleet, differences)
        if output.unread():
            break
    return code


def _print_page(
    fleet: FleetState,
    differences: tuple[Finding, ...],
    now: float,
    first_look: tuple[float, float],
    *,
    deep: bool,
) -> None:
    output.print_table(COLUMNS, to_rows(fleet))
    output.print_line()
    for block in blocks(fleet, differences, now, first_look):
        output.print_prose(f"{block}\n")
    for line in not_answered_lines(fleet):
        output.print_prose(line)
    if not deep:
        output.print_prose(_("only the table was asked; links, memory, clocks and versions: add --deep"))
    output.print_prose(summary(fleet))
    if hint := advice(fleet):
        output.print_prose(hint)


async def batches(
    arguments: argparse.Namespace, inventory: Inventory, names: tuple[str, ...]
) -> AsyncIterator[tuple[Event | NodeDetailed, ...]]:
    """One batch a round: every node's answer and judgement. The connections stay open between rounds."""
    nodes = [node for name in names if (node := inventory.node(name))]
    records = {node.name: NodeRecord() for node in nodes}
    transport = connect(inventory)

    async def ask(node: Node) -> Answer:
        return await examine(
            transport,
            node,
            arguments.timeout,
            deep=arguments.deep,
            deep_timeout_s=_DEEP_TIMEOUT_S,
            record=records[node.name],
            circumstances=lambda at: Circumstances(node.name, at, node.npus, since=at - _HISTORY_S),
        )

    # the first question, then perhaps a second one
    limit_s = arguments.timeout + (_DEEP_TIMEOUT_S if arguments.deep else arguments.timeout) + 1
    try:
        while True:
            began = time.monotonic()
            answers = await _ask_all(nodes, ask, limit_s, quiet=arguments.watch)
            yield tuple(event for node in nodes for event in _events(node.name, answers[node.name]))
            if not arguments.watch:
                return
            await asyncio.sleep(max(0.0, arguments.interval - (time.monotonic() - began)))
    finally:
        await transport.close()


async def _ask_all(
    nodes: Sequence[Node], ask: Callable[[Node], Awaitable[Answer]], limit_s: float, *, quiet: bool
) -> dict[str, Answer | NpudeckError]:
    """`quiet`: the page is what is looked at, and its next round comes by itself."""
    answers: dict[str, Answer | NpudeckError] = {}
    names = [node.name for node in nodes]
    with display(quiet=quiet, start=_("asking")) as shown:
        async for node, answer in as_done(nodes, ask, deadline_s=limit_s):
            answers[node.name] = answer
            show_waiting(shown, names, answers)
    return answers


def _events(name: str, answer: Answer | NpudeckError) -> tuple[Event | NodeDetailed, ...]:
    if isinstance(answer, NpudeckError):
        return (NodeNotReached(name, time.time(), reason_of(answer)),)
    seen, detailed = answer
    return (seen,) if detailed is None else (seen, detailed)


def _begin_page() -> None:
    if sys.stdout.isatty():
        output.print_line("\x1b[H\x1b[2J" + time.strftime("%H:%M:%S"))
    else:
        output.print_line(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
