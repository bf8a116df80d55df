"""The port at which the ranks meet: picked by chance, and free on rank 0's node."""

from __future__ import annotations

import secrets

from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import NodeError
from backend.translation import _

# below the range from which Linux gives ports to outgoing connections (32768 and up)
FIRST, LAST = 20_000, 31_999
_TRIES = 8
_BIND = "import socket, sys; socket.socket().bind(('', int(sys.argv[1])))"


def random_port() -> int:
    return FIRST + secrets.randbelow(LAST - FIRST + 1)


async def free_port(transport: Transport, node: Node, wanted: int) -> int:
    """`wanted` when nobody listens there on the node, else another. Raises `NodeError`."""
    port = wanted
    for _attempt in range(_TRIES):
        done = await transport.run(node, [node.python, "-c", _BIND, str(port)])
        if done.ok:
            return port
        port = random_port()
    raise NodeError.because(
        _("no free port was found on {node}").format(node=node.name), done.complaint(), field=node.name
    )
