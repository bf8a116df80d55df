"""What a node says of its own address, and what the ranks would make of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from backend.fleet.transport import Completed
from backend.inventory import Container, Node
from backend.preflight.address_item import address_item
from backend.preflight.item import Status, Verdict
from backend.preflight.setting import Setting

NODES = tuple(Node(f"n{number}", "h", f"10.0.0.{number}", 8, "/ws") for number in (1, 2))
SETTING = Setting(NODES, "/s", None, 6000)
TWO = [["lo", "127.0.0.1"], ["eno1", "192.0.2.1"], ["eth0", "10.0.0.1"]]
SAID = {
    "means": ["10.0.0.1"], "own": ["10.0.0.1"], "on": "eth0", "interfaces": [["eth0", "10.0.0.1"]],
    "host": "n1", "host_means": ["127.0.1.1"], "set": [],
}  # fmt: skip


def judged(setting: Setting = SETTING, address: str = "10.0.0.1", **said: object) -> Verdict:
    node = replace(setting.first, address=address)
    setting = replace(setting, nodes=(node, *setting.nodes[1:]))
    answer = f"npudeck-address {json.dumps(SAID | said)}\n".encode()
    return address_item(node, setting).judge(Completed(0, answer, b""))


def test_the_interface_is_told() -> None:
    assert (judged().status, judged().found) == (Status.OK, "10.0.0.1 on eth0")


@pytest.mark.parametrize(
    ("interfaces", "named", "status"),
    [
        (TWO, [], Status.WARNING),
        (TWO, ["HCCL_SOCKET_IFNAME"], Status.OK),
        (TWO, ["HCCL_IF_IP"], Status.OK),
        (TWO, ["GLOO_SOCKET_IFNAME"], Status.WARNING),
        ([["docker0", "172.17.0.1"], ["eth0", "10.0.0.1"]], [], Status.OK),
        ([["br0", ""], ["eth0", "10.0.0.1"]], [], Status.OK),
        # the same interface, by its first address
        ([["eth0", "10.9.9.9"]], [], Status.OK),
    ],
)
def test_which_interface_hccl_takes(interfaces: list[list[str]], named: list[str], status: Status) -> None:
    assert judged(interfaces=interfaces, set=named).status is status


def test_the_variable_is_set_where_the_ranks_live() -> None:
    inside = replace(SETTING, container=Container("c", "image"))
    assert judged(interfaces=TWO).fix.startswith("export HCCL_SOCKET_IFNAME==eth0 ")
    fix = judged(inside, interfaces=TWO).fix
    assert fix == 'arguments = ["-e", "HCCL_SOCKET_IFNAME==eth0"] in [container] of the inventory'


def test_an_ipv6_address_is_not_held_to_interfaces_of_ipv4() -> None:
    verdict = judged(address="fd00::1", means=["fd00::1"], own=["fd00::1"], on="", interfaces=TWO)
    assert (verdict.status, verdict.found) == (Status.OK, "fd00::1")


def test_a_loopback_address_that_was_written_as_such_is_meant() -> None:
    loopback = ["127.0.0.1"]
    written = judged(address="127.0.0.1", means=loopback, own=loopback, on="lo", interfaces=[])
    assert written.status is Status.OK
    by_name = judged(address="n1.lab", means=loopback, own=loopback, on="lo", interfaces=[])
    assert (by_name.status, by_name.found) == (
        Status.WARNING,
        "n1.lab (127.0.0.1) is a loopback address here",
    )


def test_gloo_goes_by_the_host_name_under_the_guides_scripts_alone() -> None:
    guide = replace(SETTING, code=(("n1", "/code", "scripts/a.sh"),))
    assert judged(guide).found == "n1 means 127.0.1.1 here: gloo would listen there"
    assert judged(guide, set=["GLOO_SOCKET_IFNAME"]).status is Status.OK
    assert judged(guide, host_means=["10.0.0.1"]).status is Status.OK
    assert judged().status is Status.OK


def test_without_a_python_there_is_no_answer() -> None:
    done = Completed(127, b"", b"python3: not found")
    assert address_item(NODES[0], SETTING).judge(done).status is Status.SKIPPED
