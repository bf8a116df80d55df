"""Commands inside the guide's container, by `docker exec`, and whom its files should belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from backend.fleet.transport import Transport
from backend.inventory import Container, Node

# a user who is not root can give nothing away
_OWNER = """
[ "$(id -u)" = 0 ] || { echo npudeck-owner 0:0; exit 0; }
user=$(docker exec -u "$1" "$2" id -u) && group=$(docker exec -u "$1" "$2" id -g) &&
    echo "npudeck-owner $user:$group"
"""


def in_container(
    container: Container,
    argv: Sequence[str],
    environment: Iterable[tuple[str, str]] = (),
    working_directory: str | None = None,
    *,
    interactive: bool = False,
    as_root: bool = False,
) -> tuple[str, ...]:
    """The argv that runs `argv` in the container, as its user or as root; `interactive` passes stdin on.

    `docker exec` passes no signals and its process may end before the command does: whatever shall
    live on runs under job.sh.
    """
    user = "0" if as_root else container.user
    options = ["docker", "exec", "-u", user, "-w", working_directory or container.work_directory]
    if interactive:
        options.append("-i")
    for name, value in environment:
        options += ["-e", f"{name}={value}"]
    return (*options, container.name, *argv)


async def owner_inside(
    transport: Transport, node: Node, container: Container, *, timeout_s: float = 15.0
) -> str | None:
    """`uid:gid` that the container's user has; "" where what the login user writes needs to be given to
    nobody. None where the container does not run. `transport` leads to the host.
    """
    argv = ["sh", "-c", _OWNER, "sh", container.user, container.name]
    done = await transport.run(node, argv, timeout_s=timeout_s)
    found = re.search(r"^npudeck-owner (\d+:\d+)$", done.text(), re.MULTILINE)
    if found is None:
        return None
    return "" if found[1].startswith("0:") else found[1]
