"""Files brought to demo nodes over SFTP stand where their commands look for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backend.fleet.inventory_files import load_inventory
from backend.fleet.push_worker import Progress, push_files
from backend.fleet.ssh_client import SshTransport
from backend.fleet.upload_plan_files import Item

if TYPE_CHECKING:
    from tests.backend.demo.conftest import Client


async def test_files_are_those_that_commands_see(client: Client, tmp_path: Path) -> None:
    for node in ("demo-1", "demo-2"):
        disk = tmp_path / "fleet" / "nodes" / node
        async with client.connect(node) as connection, connection.start_sftp_client() as sftp:
            assert await sftp.realpath(".") == str(disk / "home")
            async with sftp.open("here", "w") as file:
                await file.write(node)
            async with sftp.open(str(disk / "work" / "there"), "w") as file:
                await file.write("absolute")
            assert sorted(await sftp.listdir()) == [".", "..", "here"]
            shown = await connection.run(f"cat here {disk}/work/there")
            assert shown.stdout == f"{node}absolute"


async def test_a_push_fills_the_folder_that_all_share_once(client: Client, tmp_path: Path) -> None:
    source = tmp_path / "FILE"
    source.write_bytes(b"x" * 1_000_000)
    fleet = load_inventory(str(client.hosts.layout.inventory))
    transport = SshTransport(fleet.ssh)
    shared = client.hosts.layout.shared / "training_data"
    item = Item(source, "FILE", source.stat().st_size)
    try:
        (pushed,) = await push_files(
            transport, fleet.nodes, [item], lambda _node: str(shared), "", Progress(lambda _now: None)
        )
    finally:
        await transport.close()
    assert (pushed.problems, pushed.sent, pushed.bytes_sent) == ((), 1, item.size)
    assert [path.name for path in shared.iterdir()] == ["FILE"]
    assert (shared / "FILE").read_bytes() == source.read_bytes()
