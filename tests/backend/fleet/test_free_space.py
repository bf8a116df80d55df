"""A write that a node refuses: a full disk, or anything else."""

from __future__ import annotations

import pytest
from loopback_ssh import LoopbackHost

from backend.fleet.free_space_client import not_written
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Node


async def asked(transport: SshTransport, node: Node, why: str, missing: int) -> tuple[str, str]:
    error = await not_written(transport, node, f"{node.work_directory}/data/.part", why, missing)
    [problem] = error.problems
    assert (problem.field, problem.what.count(node.name)) == ("n01", 1)
    return problem.what.replace(node.work_directory, "/w"), problem.fix


@pytest.fixture
def df(host: LoopbackHost) -> LoopbackHost:
    """A node whose df says that 3000 KiB are free."""
    folder = host.directory / "bin"
    folder.mkdir()
    lines = (
        "Filesystem 1024-blocks Used Available Capacity Mounted on",
        "srv:/my share 9000 6000 3000 67% /my mount",
    )
    (folder / "df").write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    (folder / "df").chmod(0o755)
    host.path = f"{folder}:{host.path}"
    return host


@pytest.mark.usefixtures("df")
async def test_less_room_than_is_needed_is_a_full_disk(transport: SshTransport, node: Node) -> None:
    what, fix = await asked(transport, node, "Failure", 16_000_000)
    assert what == "the disk of n01 at /w/data is full: 3.1 MB are free, 16.0 MB are still to come"
    assert "make room there" in fix


@pytest.mark.usefixtures("df")
async def test_with_room_left_it_is_something_else(transport: SshTransport, node: Node) -> None:
    what, fix = await asked(transport, node, "Failure", 2_000_000)
    assert what == "writing failed on n01 at /w/data: Failure (3.1 MB are free)"
    assert "quota" in fix


async def test_a_node_that_says_nothing_of_its_disk(
    transport: SshTransport, node: Node, host: LoopbackHost
) -> None:
    host.shell = "/bin/false"
    assert "writing failed on n01 at /w/data: Failure" in (await asked(transport, node, "Failure", 9))[0]
    what, _fix = await asked(transport, node, "cannot create: No space left on device", 0)
    assert what.startswith("the disk of n01 at /w/data is full: its free space is not known")
