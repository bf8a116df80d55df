"""Four nodes and the guide's container, as the tests of this room need them."""

from __future__ import annotations

import pytest

from backend.engines.stages import Site
from backend.inventory import Container, Node


@pytest.fixture
def site() -> Site:
    nodes = tuple(
        Node(f"n{rank:02}", f"host{rank}", f"192.0.2.{rank + 1}", 8, "/home/ma-user/ws") for rank in range(4)
    )
    return Site(
        "r7-3f2a91", nodes, "/shared", "0.1.0", container=Container("ascendspeed", "registry/image:tag")
    )
