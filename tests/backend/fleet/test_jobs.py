"""Jobs over the transport, and what job.sh's line means."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback_ssh import LoopbackHost

from backend.fleet import jobs
from backend.fleet.containers import in_container
from backend.fleet.jobs import JobStatus, parse_status
from backend.fleet.node_code_files import read_agent
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Container, Node
from backend.problems import NodeError


@pytest.fixture
def code(node: Node) -> str:
    folder = Path(node.work_directory) / "code"
    folder.mkdir()
    (folder / "job.sh").write_text(read_agent("job.sh"))
    return str(folder)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("running pid=12 pgid=12 t=1700", JobStatus("running", at=1700.0, pid=12)),
        (
            "running pid=12 pgid=12 t=1700 unsupervised",
            JobStatus("running", at=1700.0, pid=12, supervised=False),
        ),
        ("exited code=0 sig=0 t=9", JobStatus("exited", 0, "", 9.0)),
        ("exited code=137 sig=9 t=9 why=x left=2", JobStatus("exited", 137, "SIGKILL", 9.0, "x", left=2)),
        ("lost why=reboot", JobStatus("lost", why="reboot")),
        ("Welcome to node 7\n\nnone\n", JobStatus("none")),
        ("starting", JobStatus("starting")),
        ("exiting", JobStatus("exiting")),
    ],
)
def test_parse_status(line: str, status: JobStatus) -> None:
    assert parse_status(line) == status


@given(st.text())
def test_parse_status_never_guesses(text: str) -> None:
    try:
        status = parse_status(text)
    except (ValueError, KeyError):
        return
    assert text.strip().splitlines()[-1].strip().startswith(status.kind)


async def test_life_of_a_job(transport: SshTransport, node: Node, code: str) -> None:
    root = f"{node.work_directory}/.npudeck/runs/r1-abc"
    assert (await jobs.status(transport, node, code, root, "train")).kind == "none"
    argv = ["sh", "-c", 'echo "$X $PWD"; sleep 60']
    started = await jobs.start(transport, node, code, root, "train", argv, [("X", "a 'b'")], "/tmp")
    again = await jobs.start(transport, node, code, root, "train", argv, [("X", "a 'b'")], "/tmp")
    assert started.kind == again.kind == "running"
    assert started.pid == again.pid
    assert started.pid in await jobs.procs(transport, node, code, root, "train")
    stopped = await jobs.stop(transport, node, code, root, "train", 5)
    assert (stopped.kind, stopped.signal) == ("exited", "SIGTERM")
    assert await jobs.procs(transport, node, code, root, "train") == ()
    assert (Path(root) / "train" / "out.log").read_text().startswith("a 'b' /tmp\n")


async def test_a_cut_is_not_an_end(
    transport: SshTransport, node: Node, code: str, host: LoopbackHost
) -> None:
    root = f"{node.work_directory}/.npudeck/runs/r1-abc"
    await jobs.start(transport, node, code, root, "train", ["sh", "-c", "sleep 0.3; exit 5"])
    host.cut()
    with pytest.raises(NodeError):
        await jobs.status(transport, node, code, root, "train")
    await host.heal()
    async with asyncio.timeout(20):
        while (status := await jobs.status(transport, node, code, root, "train")).alive:
            await asyncio.sleep(0.05)
    assert (status.kind, status.exit_code) == ("exited", 5)


async def test_missing_job_sh_is_an_error_not_a_status(transport: SshTransport, node: Node) -> None:
    with pytest.raises(NodeError, match=r"job\.sh"):
        await jobs.status(transport, node, "/no/such/code", "/tmp/r", "train")


def test_in_container() -> None:
    container = Container("trainer", "image:1")
    assert in_container(container, ["ls", "a b"], [("X", "1 2")], "/w", interactive=True) == (
        "docker", "exec", "-u", "ma-user", "-w", "/w", "-i", "-e", "X=1 2", "trainer", "ls", "a b",
    )  # fmt: skip
    assert in_container(container, ["true"])[5] == "/home/ma-user/ws"
