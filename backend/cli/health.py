"""`npudeck health`: ask every node once, or again and again, and say what is wrong first."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator

from backend.cli import output
from backend.cli.arguments import Commands, add_command, add_json
from backend.events import Event
from backend.inventory import Inventory
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    parser = add_command(commands, "health", _("show the health of every NPU, problems first"), _health)
    parser.add_argument(
        "nodes", nargs="*", metavar="NODES", help=_('nodes or node sets, e.g. "n[01-04]" or @rack1')
    )
    parser.add_argument("--watch", action="store_true", help=_("ask again and again until interrupted"))
    parser.add_argument(
        "--interval", type=_seconds, default=5.0, metavar="S", help=_("seconds between rounds (default 5)")
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=10.0,
        metavar="S",
        help=_("seconds to wait for a node (default 10)"),
    )
    add_json(parser)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(
            _("{text!r} is not a number of seconds (0.1 to 3600)").format(text=text)
        )
    return value


def _health(arguments: argparse.Namespace) -> int:
    """Exit code 0: all well; 1: a warning, an alarm or an NPU of unknown state; 4: a node not reached."""
    from backend.fleet.inventory_files import find_inventory, load_inventory, node_names

    inventory = load_inventory(find_inventory(arguments.inventory))
    names = node_names(",".join(arguments.nodes), inventory)
    return asyncio.run(_rounds(arguments, inventory, names))


async def _rounds(arguments: argparse.Namespace, inventory: Inventory, names: tuple[str, ...]) -> int:
    from backend.cli.health_report import COLUMNS, exit_code, fleet_of, summary, to_json, to_rows

    code = 0
    async for batch in _batches(arguments, inventory, names):
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
    return code


async def _batches(
    arguments: argparse.Namespace, inventory: Inventory, names: tuple[str, ...]
) -> AsyncIterator[tuple[Event, ...]]:
    """One batch a round: an answer of every node. The connections stay open between rounds."""
    from backend.events import NodeNotReached
    from backend.fleet.connect_client import connect
    from backend.fleet.fan_out import fan_out
    from backend.probes.probe_worker import observe_once, reason_of
    from backend.problems import NpudeckError

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
