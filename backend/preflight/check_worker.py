"""Everything that a check asks, of all nodes at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backend.fleet.ssh_client import SshTransport
from backend.inventory import Node
from backend.preflight.asking_worker import Asking
from backend.preflight.compare import compared
from backend.preflight.item import Finding
from backend.preflight.items import ORDER, node_items
from backend.preflight.setting import Setting
from backend.preflight.together_worker import Together
from backend.translation import _

Moved = Callable[[int, int, str], None]


async def check_nodes(transport: SshTransport, setting: Setting, moved: Moved) -> tuple[Finding, ...]:
    """Every finding, in the order of the items and then of the nodes. Never raises for what a node does."""
    asking = Asking(transport, setting)
    items = {node.name: node_items(node, setting) for node in setting.nodes}
    total = len(setting.nodes) + 1
    done: list[str] = []

    async def one(node: Node) -> list[Finding]:
        found = await asking.items(node, items[node.name])
        done.append(node.name)
        moved(len(done), total, _("{name} answered").format(name=node.name))
        return found

    parts = await asyncio.gather(*(one(node) for node in setting.nodes))
    findings = [finding for part in parts for finding in part]
    findings = compared([item for group in items.values() for item in group], findings)
    findings += await Together(asking, transport, setting, findings).ask()
    moved(total, total, _("done"))
    order = {node.name: place for place, node in enumerate(setting.nodes)}
    return tuple(sorted(findings, key=lambda found: (ORDER.index(found.item), order[found.node])))
