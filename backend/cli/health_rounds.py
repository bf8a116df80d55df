"""The rounds of `npudeck health`: one question to every node, one page of answers."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator

from backend.cli import output
from backend.cli.health_report import COLUMNS, exit_code, fleet_of, summary, to_json, to_rows
from backend.events import Event, NodeNotReached
from backend.fleet.connect_client import connect
from backend.fleet.fan_out import fan_out
from backend.inventory import Inventory
from backend.probes.probe_worker import observe_once, reason_of
from backend.problems import NpudeckError


async def rounds(arguments: argparse.Namespace, inventory: Inventory, names: tuple[str, ...]) -> int:
    """Ask and print until done, or until nobody reads; the exit code of the last round."""
    code = 0
    async for batch in batches(arguments, inventory, names):
        fleet = fleet_of(inventory, names)
        fleet.apply(batch)
        if arguments.json:
            output.print_json(to_json(inventory.name, time.time(), fleet), compact=arguments.watch)
        else:
            if arguments.watch:
                _begin_page()
            output.print_table(COLUMNS, to_rows(fleet))
            output.print_line()
            output.print_line(summary(fleet))
        code = exit_code(fleet)
        if output.unread():
            break
    return code


async def batches(
    arguments: argparse.Namespace, inventory: Inventory, names: tuple[str, ...]
) -> AsyncIterator[tuple[Event, ...]]:
    """One batch a round: an answer of every node. The connections stay open between rounds."""
    nodes = [node for name in names if (node := inventory.node(name))]
    transport = connect(inventory)
    try:
        while True:
            began = time.monotonic()
            answers = await fan_out(
                nodes,
                lambda node: observe_once(transport, node, arguments.timeout),
                deadline_s=arguments.timeout + 1,
            )
            yield tuple(
                NodeNotReached(name, time.time(), reason_of(answer))
                if isinstance(answer, NpudeckError)
                else answer
                for name, answer in answers.items()
            )
            if not arguments.watch:
                return
            await asyncio.sleep(max(0.0, arguments.interval - (time.monotonic() - began)))
    finally:
        await transport.close()


def _begin_page() -> None:
    if sys.stdout.isatty():
        output.print_line("\x1b[H\x1b[2J" + time.strftime("%H:%M:%S"))
    else:
        output.print_line(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
