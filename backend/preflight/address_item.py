"""The node's own `address`: on an interface that others reach, and on the one that the ranks will take. Pure.

Which interface HCCL takes, where nobody names one: Huawei's reference of HCCL_IF_IP. Gloo, where nobody names
one, listens on what the host name means.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Item, Verdict, lines_after, short, unknown, warning, well, wrong
from backend.preflight.python_item import unusable_python
from backend.preflight.setting import Setting
from backend.translation import _

ADDRESS = "address"
# word: the address. A name server that does not answer is not waited for as long as usual
_SCRIPT = r"""
import fcntl, json, os, socket, struct, sys
os.environ["RES_OPTIONS"] = "timeout:3 attempts:1"
def meaning(name):
    try:
        found = socket.getaddrinfo(name, None, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(one[4][0].partition("%")[0] for one in found))[:16]
def own(address):
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
def first_address(name):
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            asked = struct.pack("256s", name.encode()[:15])
            flags = fcntl.ioctl(probe.fileno(), 0x8913, asked)
            said = fcntl.ioctl(probe.fileno(), 0x8915, asked)
    except OSError:
        return ""
    return socket.inet_ntoa(said[20:24]) if flags[16] & 1 else ""
def by_route(address):
    best = (-1, "")
    try:
        value = struct.unpack("<I", socket.inet_aton(address))[0]
        with open("/proc/net/route") as stream:
            for line in list(stream)[1:]:
                part = line.split()
                network, mask = int(part[1], 16), int(part[7], 16)
                if mask and value & mask == network:
                    best = max(best, (bin(mask).count("1"), part[0]))
    except (OSError, ValueError, IndexError):
        pass
    return best[1]
means = meaning(sys.argv[1])
interfaces = [[name, first_address(name)] for _number, name in socket.if_nameindex()][:200]
on = [name for name, address in interfaces if address in means] or [by_route(one) for one in means]
names = ("HCCL_IF_IP", "HCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME")
print("npudeck-address " + json.dumps({
    "means": means, "own": [one for one in means if own(one)], "on": on[0] if on else "",
    "interfaces": interfaces, "host": socket.gethostname(), "host_means": meaning(socket.gethostname()),
    "set": [name for name in names if os.environ.get(name)],
}))
"""


@dataclass(frozen=True, slots=True)
class _Said:
    """`means`: what the address means there; `own`: what the node has of it; `on`: its interface."""

    means: tuple[str, ...]
    own: tuple[str, ...]
    on: str
    interfaces: tuple[tuple[str, str], ...]
    host: str
    host_means: tuple[str, ...]
    named: tuple[str, ...]


def address_item(node: Node, setting: Setting) -> Item:
    """For several nodes; with one, `master_port` says what is wrong with it."""

    def judge(done: Completed) -> Verdict:
        lines = lines_after(done.text(), "npudeck-address ")
        said = _read(lines[0]) if lines else None
        if said is None:
            return unusable_python(node) if done.exit_code in (126, 127) else unknown(short(done.complaint()))
        return _judge_address(said, node, setting) or _judge_interface(said, node, setting)

    needed = _("{address} is an address of {node} that the others reach").format(
        address=node.address, node=node.name
    )
    return Item(ADDRESS, needed, (node.python, "-c", _SCRIPT, node.address), judge, setting.inside, 20.0)


def _judge_address(said: _Said, node: Node, setting: Setting) -> Verdict | None:
    """None where it is right. The first node's is MASTER_ADDR; those of others wait for runs to come."""
    spoken = wrong if node is setting.first else warning
    fix = _("set `address` of the node in the inventory to the one that other nodes reach it at")
    if not said.means:
        return spoken(_("{address} has no meaning here").format(address=node.address), fix)
    if not said.own:
        return spoken(_("{address} is no address of this node").format(address=_shown(node, said.means)), fix)
    if not _is_loopback(said.means) or _is_meant(node.address):
        return None
    words = _("{address} is a loopback address here").format(address=_shown(node, said.means))
    hosts = _(
        "take the name out of that line of /etc/hosts, or set `address` in the inventory to the IP address"
    )
    # HCCL and NCCL meet all the same: the others have another meaning of the name
    return spoken(words, hosts) if _with_gloo(node, setting) else warning(words, hosts)


def _judge_interface(said: _Said, node: Node, setting: Setting) -> Verdict:
    # the native engine names the interface to gloo itself
    by_name = setting.code_of(node) is not None and "GLOO_SOCKET_IFNAME" not in said.named
    if by_name and said.host_means and _is_loopback(said.host_means):
        words = _("{host} means {address} here: gloo would listen there").format(
            host=short(said.host, 60), address=said.host_means[0]
        )
        return warning(words, _name_it("GLOO_SOCKET_IFNAME", said.on or "INTERFACE", setting))
    if not said.on:
        # an IPv6 address: nobody says which of several interfaces HCCL takes then
        return well(_shown(node, said.means))
    taken = _hccl_takes(said)
    if node.device == "npu" and taken is not None and taken[0] != said.on and taken[1] not in said.means:
        words = _("HCCL would take {name} ({other}), and {address} is on {on}").format(
            name=short(taken[0], 20), other=short(taken[1], 45), address=_shown(node, said.means), on=said.on
        )
        return warning(words, _name_it("HCCL_SOCKET_IFNAME", f"={said.on}", setting))
    return well(_("{address} on {on}").format(address=_shown(node, said.means), on=said.on))


def _name_it(variable: str, value: str, setting: Setting) -> str:
    if setting.container is not None:
        words = _('arguments = ["-e", "{variable}={value}"] in [container] of the inventory')
    else:
        words = _("export {variable}={value} for the login user, in /etc/environment for example")
    return words.format(variable=variable, value=value)


def _hccl_takes(said: _Said) -> tuple[str, str] | None:
    """Interface and its address; None where it is named. By name, and no loopback or Docker's if it can."""
    if {"HCCL_IF_IP", "HCCL_SOCKET_IFNAME"}.intersection(said.named):
        return None
    with_address = sorted(one for one in said.interfaces if one[1] and one[0] != "lo")
    return next((one for one in with_address if not one[0].startswith("docker")), None)


def _with_gloo(node: Node, setting: Setting) -> bool:
    return node.device == "cpu" or setting.code_of(node) is not None


def _shown(node: Node, means: Sequence[str]) -> str:
    return node.address if node.address in means else f"{node.address} ({means[0]})"


def _is_loopback(addresses: Sequence[str]) -> bool:
    """By the first: that is what a connection takes."""
    return ipaddress.ip_address(addresses[0]).is_loopback


def _is_meant(address: str) -> bool:
    """Whoever writes a loopback address as such has all nodes on one machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _read(text: str) -> _Said | None:
    """None for anything but an answer of the script."""
    try:
        found: dict[str, Any] = json.loads(text)
        return _Said(
            _addresses(found["means"]),
            _addresses(found["own"]),
            short(str(found["on"]), 20),
            tuple((str(name), str(address)) for name, address in found["interfaces"]),
            str(found["host"]),
            _addresses(found["host_means"]),
            tuple(str(name) for name in found["set"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _addresses(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_address(text)) for text in texts)
