"""What an upload leaves on a node that takes none."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.fleet.ssh_client import SshTransport
from backend.fleet.upload_client import upload
from backend.fleet.upload_plan_files import Item
from backend.inventory import Node
from backend.problems import NodeError


async def test_a_node_without_sftp_keeps_no_empty_part(
    transport: SshTransport, node: Node, tmp_path: Path
) -> None:
    source = tmp_path / "FILE"
    source.write_text("text")
    target = tmp_path / "there" / "FILE"
    with pytest.raises(NodeError, match="takes no files over SFTP"):
        await upload(transport, node, Item(source, "FILE", 4), str(target), lambda _count: None)
    assert list(tmp_path.glob("there/.*")) == []
