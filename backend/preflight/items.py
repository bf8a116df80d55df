"""All items of a node, in the order in which a person would look. Pure."""

from __future__ import annotations

from backend.inventory import Node
from backend.preflight.address_item import address_item
from backend.preflight.directory_items import (
    code_item,
    owner_item,
    shared_directory_item,
    shared_inside_item,
    work_directory_item,
)
from backend.preflight.disk_items import checkpoint_disk_item, shm_item, work_disk_item
from backend.preflight.docker_items import docker_items
from backend.preflight.input_items import input_items
from backend.preflight.item import Item
from backend.preflight.lease_item import lease_item
from backend.preflight.login_items import limits_item, login_item, tools_item
from backend.preflight.npu_health import npu_health_item
from backend.preflight.npu_items import cann_item, driver_item, free_npus_item, inside_npus_item, npus_item
from backend.preflight.python_item import python_item
from backend.preflight.roce_items import roce_items
from backend.preflight.setting import Setting
from backend.preflight.stale_item import stale_item
from backend.preflight.write_speed_item import write_speed_item

# also the rows of every table; what only several nodes can answer stands at the end
ORDER = (
    "plan",
    "ssh",
    "npus",
    "npu_health",
    "free_npus",
    "leases",
    "stale_processes",
    "driver",
    "docker",
    "ip_forward",
    "image",
    "container",
    "bound_npus",
    "npus_inside",
    "cann",
    "python",
    "tools",
    "shm",
    "limits",
    "work_directory",
    "owner",
    "work_disk",
    "code",
    "shared_directory",
    "shared_inside",
    "shared",
    "data",
    "tokenizer",
    "weights",
    "checkpoint_disk",
    "write_speed",
    "roce_ip",
    "tls",
    "address",
    "clock",
    "master_port",
    "reach",
)


def node_items(node: Node, setting: Setting) -> tuple[Item, ...]:
    """Everything that the node is asked about itself. What does not apply to it is left out."""
    items = [
        login_item(node),
        work_directory_item(node),
        shared_directory_item(setting),
        owner_item(node, setting),
        work_disk_item(node, setting),
        shm_item(node, setting),
        limits_item(setting),
        python_item(node, setting.requirements, setting.nodes.index(node), setting.inside),
        stale_item(),
        lease_item(node, setting),
        tools_item(setting),
    ]
    if setting.npus(node):
        items += [
            npus_item(node, setting),
            npu_health_item(node, setting.npus(node)),
            free_npus_item(node),
        ]
    if node.device == "npu":
        items += [driver_item(), cann_item(setting)]
    if (run := setting.container_run(node)) is not None:
        items += docker_items(run)
        items += [inside_npus_item(node, setting), shared_inside_item(setting)]
    if (code := setting.code_of(node)) is not None:
        items.append(code_item(*code, setting.inside))
    items += roce_items(node, setting)
    if len(setting.nodes) > 1:
        items.append(address_item(node, setting))
    if node is setting.first:
        items += _first_items(node, setting)
    return tuple(sorted(items, key=lambda item: ORDER.index(item.name)))


def _first_items(node: Node, setting: Setting) -> list[Item]:
    """Rank 0's node prepares data and weights."""
    items: list[Item] = []
    if setting.recipe is not None:
        items += input_items(setting.recipe, node, setting.inside)
    if (disk := checkpoint_disk_item(setting)) is not None:
        items.append(disk)
    if setting.deep:
        items.append(write_speed_item(setting))
    return items
