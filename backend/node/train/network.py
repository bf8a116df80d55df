"""Which network interface leads to the master, found without root: gloo listens on the one it is told."""

from __future__ import annotations

import array
import fcntl
import ipaddress
import socket
import struct
from gettext import gettext as _

from backend.node.job_lines import JobError

SIOCGIFCONF = 0x8912  # linux/sockios.h
_IFREQ_BYTES = 40  # struct ifreq on 64-bit Linux: 16 bytes of name, then a sockaddr
_MOST_ADDRESSES = 1024


def interface_towards(address: str) -> str:
    """Name of the interface that this machine's packets to `address` (host name, IPv4 or IPv6) leave by.

    Raises JobError when the name is unknown or there is no route.
    """
    try:
        family, _kind, _protocol, _name, target = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Connecting a datagram socket sends nothing: the kernel only chooses the route.
            probe.connect(target)
            own = str(probe.getsockname()[0]).partition("%")[0]
    except OSError as error:
        what = _("no route to the master {address}").format(address=address)
        raise JobError("MASTER_ADDR", what, str(error), _("check the address and the network")) from error
    if ipaddress.ip_address(own).is_loopback:
        return "lo"
    interface = _holder_of_ipv4(own) if family == socket.AF_INET else _holder_of_ipv6(own)
    if not interface:
        raise JobError(
            "MASTER_ADDR",
            _("no interface has the address {own} that leads to {address}").format(own=own, address=address),
            "",
            _("name the interface in GLOO_SOCKET_IFNAME"),
        )
    return interface


def check_reachable(address: str, interface: str, num_nodes: int) -> None:
    """Raise JobError when a host name means loopback here although other nodes must reach it.

    Debian's /etc/hosts gives a machine's own name the address 127.0.1.1.
    Whoever wrote a loopback address meant it.
    """
    if interface != "lo" or num_nodes == 1 or address == "localhost" or _is_address(address):
        return
    raise JobError(
        "MASTER_ADDR",
        _("{address} is a loopback address on the node that has it").format(address=address),
        _("the other nodes would not reach it"),
        _("use the first node's address as the others see it, or mend its /etc/hosts"),
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _holder_of_ipv4(own: str) -> str:
    """The interface that has this address, secondary addresses included; "" when none has."""
    buffer = array.array("B", bytes(_IFREQ_BYTES * _MOST_ADDRESSES))
    place, _items = buffer.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        answer = fcntl.ioctl(probe.fileno(), SIOCGIFCONF, struct.pack("iL", len(buffer), place))
    filled = struct.unpack("iL", answer)[0]
    data = buffer.tobytes()
    for at in range(0, filled, _IFREQ_BYTES):
        if socket.inet_ntoa(data[at + 20 : at + 24]) == own:
            name = data[at : at + 16].partition(b"\0")[0].decode()
            return name.partition(":")[0]
    return ""


def _holder_of_ipv6(own: str) -> str:
    """The interface that has this address, from /proc/net/if_inet6; "" when none has."""
    wanted = ipaddress.IPv6Address(own).packed.hex()
    with open("/proc/net/if_inet6", encoding="ascii") as stream:
        for line in stream:
            fields = line.split()
            if fields[0] == wanted:
                return fields[-1]
    return ""
