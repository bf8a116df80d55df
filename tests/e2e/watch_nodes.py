"""Watch the nodes of an inventory and print what is seen, a line of JSON each: run on the bastion of a test.

watch_nodes.py INVENTORY INTERVAL_S DEADLINE_S
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from backend.events import Event, NodeNotReached, NodeObserved
from backend.fleet.connect_client import connect
from backend.fleet.inventory_files import load_inventory
from backend.probes.probe_worker import observe


def emit(event: Event) -> None:
    """`t`: the monotonic clock, which the processes of one machine share."""
    if isinstance(event, NodeObserved):
        said = {"node": event.node, "seen": True, "npus": len(event.devices)}
    elif isinstance(event, NodeNotReached):
        said = {"node": event.node, "seen": False, "reason": event.reason}
    else:
        return
    print(json.dumps({"t": time.monotonic(), **said}), flush=True)


async def main() -> None:
    inventory = load_inventory(sys.argv[1])
    transport = connect(inventory)
    interval_s, deadline_s = float(sys.argv[2]), float(sys.argv[3])
    await asyncio.gather(
        *(observe(transport, node, interval_s, emit, deadline_s=deadline_s) for node in inventory.nodes)
    )


asyncio.run(main())
