"""A node whose login shell runs no commands is told of in one way, whatever was asked of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from loopback_ssh import LoopbackHost

from backend.fleet.capture_client import capture
from backend.fleet.code_package import Layout
from backend.fleet.code_package_files import CodePackage
from backend.fleet.code_worker import look, unpack
from backend.fleet.connect_client import ContainerTransport
from backend.fleet.leases import LeaseOwner, acquire, leases_of, release
from backend.fleet.node_code_files import load_node_code
from backend.fleet.shared_folders_client import nodes_by_folder
from backend.fleet.ssh_client import SshTransport
from backend.fleet.staging import put_file, stage
from backend.inventory import Container, Node
from backend.problems import NodeError

SHELLS = {
    "nologin": "#!/bin/sh\necho 'This account is currently not available.'\nexit 1\n",
    "talks": "#!/bin/sh\necho \"$@\"\necho 'This account is currently not available.'\n",
}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, host: LoopbackHost, tmp_path: Path) -> None:
    path = tmp_path / "shell"
    path.write_text(SHELLS[request.param])
    path.chmod(0o755)
    host.shell = str(path)


@pytest.mark.usefixtures("shell")
async def test_every_question_says_the_same(transport: SshTransport, node: Node) -> None:
    owner = LeaseOwner("r1-x", "ann@bastion", 1.0)
    for asking in (
        capture(transport, node, ["true"], timeout_s=5),
        leases_of(transport, node),
        acquire(transport, node, owner),
        release(transport, node, owner.run_key),
        nodes_by_folder(transport, [node], lambda node: node.work_directory),
        look(transport, node, "/w"),
        stage(transport, node, load_node_code(), "/w"),
        put_file(transport, node, "/w/file", b""),
        unpack(
            transport, node, CodePackage("p.zip", Path("p.zip"), Layout("", (), ())), "/w", overwrite=False
        ),
    ):
        with pytest.raises(NodeError) as caught:
            await asking
        [problem] = caught.value.problems
        words = "the login shell runs no commands: This account is currently not available."
        assert (problem.field, problem.what) == ("n01", words)


async def test_what_else_is_wrong_is_not_the_shells_fault(transport: SshTransport, node: Node) -> None:
    with pytest.raises(NodeError, match="cannot be used"):
        await nodes_by_folder(transport, [node], lambda node: "/proc/nowhere")
    with pytest.raises(NodeError, match="cannot be read or written"):
        await acquire(
            transport, replace(node, work_directory="/proc/nowhere"), LeaseOwner("r1-x", "ann", 1.0)
        )


async def test_a_container_that_is_missing_is_not_the_shells_fault(
    transport: SshTransport, node: Node, host: LoopbackHost
) -> None:
    inside = ContainerTransport(transport, Container("ascend", "image"))
    for asking in (
        leases_of(inside, node),
        look(inside, node, "/w"),
        stage(inside, node, load_node_code(), "/w"),
        capture(transport, node, ["true"], timeout_s=5, container=Container("ascend", "image")),
    ):
        with pytest.raises(NodeError, match=r"no command runs in the container ascend: .*docker.*") as caught:
            await asking
        assert "containers start" in caught.value.problems[0].fix
