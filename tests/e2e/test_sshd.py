"""The transport, jobs and probes against the real OpenSSH server on loopback, host keys checked."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_sshd import SSHD, Sshd

from backend.events import Event, NodeNotReached, NodeObserved
from backend.fleet import jobs
from backend.fleet.node_code_files import load_node_code
from backend.fleet.ssh_client import SshTransport
from backend.fleet.staging import stage
from backend.probes.probe_worker import observe, observe_once
from backend.problems import HostKeyError, NodeError, NodeUnreachableError

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(not SSHD, reason="no sshd"),
    pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen"),
]


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path)
    server.start()
    yield server
    server.kill()


async def test_runs_a_command(sshd: Sshd) -> None:
    transport = SshTransport(sshd.options())
    words = ["a b", "$HOME", ";", "it's", ""]
    done = await transport.run(sshd.node(), ["printf", "%s|", *words])
    assert done.text() == "a b|$HOME|;|it's||"
    # the name of a file may be no UTF-8
    assert (
        await transport.run(sshd.node(), ["printf", "%s", os.fsdecode(b"L\xfcfter")])
    ).stdout == b"L\xfcfter"
    killed = await transport.run(sshd.node(), ["exec", "sh", "-c", "kill -9 $$"])
    assert killed.exit_code == -9
    data = os.urandom(3_000_000)
    assert (await transport.run(sshd.node(), ["cat"], stdin=data)).stdout == data
    await transport.close()


async def test_wrong_key(sshd: Sshd) -> None:
    transport = SshTransport(sshd.options("stranger"))
    with pytest.raises(NodeError, match="refuses the login"):
        await transport.run(sshd.node(), ["true"])
    await transport.close()


async def test_unknown_and_changed_host_key(sshd: Sshd) -> None:
    (sshd.folder / "known_hosts").write_text("")
    transport = SshTransport(sshd.options())
    with pytest.raises(HostKeyError, match="is not known"):
        await transport.run(sshd.node(), ["true"])
    sshd.trust("stranger")
    with pytest.raises(HostKeyError, match="has changed"):
        await transport.run(sshd.node(), ["true"])
    sshd.trust()
    assert (await transport.run(sshd.node(), ["true"])).ok
    await transport.close()


async def test_killed_server_is_unreachable_then_back(sshd: Sshd) -> None:
    transport = SshTransport(sshd.options())
    node = sshd.node()
    code = load_node_code()
    directory = f"{node.work_directory}/.npudeck/code/{code.version}"
    root = f"{node.work_directory}/.npudeck/runs/r1-abc"
    assert await stage(transport, node, code, directory)
    argv = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done; exit 5"]
    assert (await jobs.start(transport, node, directory, root, "train", argv)).kind == "running"
    sshd.kill()
    with pytest.raises(NodeUnreachableError):
        await jobs.status(transport, node, directory, root, "train")
    sshd.start()
    async with asyncio.timeout(30):
        while (status := await jobs.status(transport, node, directory, root, "train")).alive:
            await asyncio.sleep(0.1)
    assert (status.kind, status.exit_code) == ("exited", 5)
    assert Path(root, "train", "out.log").read_text().split() == list("12345678")
    await transport.close()


async def test_many_at_once(sshd: Sshd) -> None:
    transport = SshTransport(sshd.options())
    node = sshd.node()
    done = await asyncio.gather(*(transport.run(node, ["echo", str(number)]) for number in range(16)))
    assert [int(answer.text()) for answer in done] == list(range(16))
    await transport.close()


async def test_health_is_observed_through_a_loss(sshd: Sshd) -> None:
    sshd.npu_smi('echo "| npu-smi 24.1.0   Version: 24.1.0   |"')
    transport = SshTransport(sshd.options())
    node = sshd.node()
    assert isinstance(await observe_once(transport, node), NodeObserved)
    events: list[Event] = []

    async def until(kind: type) -> None:
        seen = len(events)
        async with asyncio.timeout(30):
            while not any(isinstance(event, kind) for event in events[seen:]):
                await asyncio.sleep(0.02)

    watching = asyncio.create_task(observe(transport, node, 0.1, events.append, deadline_s=3))
    await until(NodeObserved)
    sshd.kill()
    await until(NodeNotReached)
    sshd.start()
    await until(NodeObserved)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await transport.close()
    deadline = time.monotonic() + 15
    while _probes_left(sshd.folder):
        assert time.monotonic() < deadline, "a probe was left behind"
        await asyncio.sleep(0.05)


def _probes_left(folder: Path) -> list[int]:
    """Probes that carry our PATH; none may outlive its connection."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"PATH={folder}/bin:".encode() in (entry / "environ").read_bytes()
            if ours and b"npudeck-probe" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
