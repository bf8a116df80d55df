"""The inventory of a demo fleet: nodes on loopback, reached with the fleet's own key and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from backend.demo.demo_layout import NPUS_PER_NODE, USER, DemoLayout
from backend.inventory import Inventory, Node, SshOptions

ADDRESS = "127.0.0.1"


def demo_inventory(layout: DemoLayout, ports: Mapping[str, int]) -> Inventory:
    """The fleet as plain data. The empty configuration file keeps ~/.ssh/config out of it."""
    nodes = tuple(
        Node(
            name=name,
            host=ADDRESS,
            address=ADDRESS,
            npus=NPUS_PER_NODE,
            work_directory=str(layout.work(name)),
            port=port,
            user=USER,
            python=sys.executable,
            device="cpu",
        )
        for name, port in ports.items()
    )
    ssh = SshOptions(
        user=USER,
        config="/dev/null",
        known_hosts=str(layout.known_hosts),
        identity_files=(str(layout.client_key),),
    )
    return Inventory("demo", nodes, str(layout.shared), ssh, path=str(layout.inventory))


def write_inventory(layout: DemoLayout, ports: Mapping[str, int]) -> None:
    from backend.fleet.inventory_files import save_inventory

    save_inventory(demo_inventory(layout, ports), str(layout.inventory))
