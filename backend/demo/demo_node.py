"""One demo node: an SSH listener on loopback with a disk, an environment and processes of its own.

It is a sandbox of directories, not of rights: its commands run as the user who started the demo. Therefore it
listens on 127.0.0.1 alone and lets in nobody but the bearer of the fleet's one-off key.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import asyncssh

from backend.demo.demo_layout import NPUS_PER_NODE, USER, DemoLayout
from backend.demo.marked_processes import FLEET, NODE, end_all
from backend.demo.remote_command import serve_command
from backend.demo.remote_files import RemoteFiles

ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Character:
    """What is special about a node: how late it answers, and what its NPUs show (`1=warning,0=link`)."""

    delay_s: float = 0.0
    faults: str = ""


class DemoNode:
    """A node that can be reached, cut off and powered off."""

    def __init__(
        self, name: str, layout: DemoLayout, host_key: asyncssh.SSHKey, logins: str, character: Character
    ) -> None:
        self.name = name
        self.port = 0
        self.state = "off"
        self.last_used = time.monotonic()
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._layout = layout
        self._host_key = host_key
        self._logins = logins
        self._character = character
        self._listener: asyncssh.SSHAcceptor | None = None

    async def start(self, wanted_port: int = 0) -> None:
        """Listen, on the wanted port when it is free; the node keeps that port from then on."""
        self._make_disk()
        try:
            await self._listen(self.port or wanted_port)
        except OSError:
            if self.port:
                raise
            await self._listen(0)
        self.state = "up"

    async def cut(self) -> None:
        """The link is lost: connections drop, new ones are refused, processes live on."""
        self.state = "cut"
        await self._close()

    async def power_off(self) -> None:
        """The link is lost, and every process with it."""
        self.state = "off"
        await self._close()
        await asyncio.to_thread(end_all, str(self._layout.root), self.name)

    async def heal(self) -> None:
        if self._listener is None:
            await self.start()

    async def _listen(self, port: int) -> None:
        self._listener = await asyncssh.listen(
            ADDRESS,
            port,
            server_factory=lambda: _Door(self.connections, self._touch),
            server_host_keys=[self._host_key],
            authorized_client_keys=self._logins,
            process_factory=self._serve,
            sftp_factory=self._serve_files,
            encoding=None,
            # the quickest exchange that every client knows: all demo nodes share one processor
            kex_algs=["curve25519-sha256"],
            gss_host=None,
            line_editor=True,
        )
        self.port = self._listener.get_port()

    async def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        for connection in tuple(self.connections):
            connection.abort()
        if listener is not None:
            await listener.wait_closed()

    async def _serve(self, request: asyncssh.SSHServerProcess[bytes]) -> None:
        self._touch()
        if self._character.delay_s:
            await asyncio.sleep(self._character.delay_s)
        await serve_command(request, str(self._disk / "home"), self._environment())
        self._touch()

    async def _serve_files(self, channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        self._touch()
        if self._character.delay_s:
            await asyncio.sleep(self._character.delay_s)
        return RemoteFiles(channel, self._disk / "home")

    def _touch(self) -> None:
        self.last_used = time.monotonic()

    @property
    def _disk(self) -> Path:
        return self._layout.node(self.name)

    def _environment(self) -> dict[str, str]:
        """As small as a fresh login's. GPUs are hidden: two demo nodes would quarrel over them."""
        environment = {
            "PATH": f"{self._disk / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._disk / "home"),
            "TMPDIR": str(self._disk / "tmp"),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/sh",
            "USER": USER,
            "LOGNAME": USER,
            "CUDA_VISIBLE_DEVICES": "",
            "ASCEND_RT_VISIBLE_DEVICES": "",
            FLEET: str(self._layout.root),
            NODE: self.name,
        }
        if libraries := os.environ.get("LD_LIBRARY_PATH"):
            environment["LD_LIBRARY_PATH"] = libraries
        return environment

    def _make_disk(self) -> None:
        for folder in ("home", "tmp", "bin", "work"):
            (self._disk / folder).mkdir(parents=True, exist_ok=True)
        self.set_faults(self._character.faults)

    def set_faults(self, faults: str) -> None:
        """From now on its tools answer so: `1=critical,0=link`, see npu_faults.py."""
        for name in ("npu-smi", "hccn_tool"):
            tool = self._disk / "bin" / name
            fresh = tool.with_name(f".{name}.new")
            fresh.write_text(simulator_script(self._disk / "npus.json", faults, name))
            fresh.chmod(0o755)
            fresh.replace(tool)


def simulator_script(state: Path, faults: str, tool: str = "npu-smi") -> str:
    """The node's `npu-smi` or `hccn_tool`: a bare interpreter without packages, which answers at once."""
    root = Path(__file__).resolve().parents[2]
    word = "hccn_tool " if tool == "hccn_tool" else ""
    return (
        "#!/bin/sh\n"
        f"export DEMO_NPUS={NPUS_PER_NODE} DEMO_FAULTS={quote(faults)}\n"
        f"export DEMO_NPU_STATE={quote(str(state))}\n"
        f"cd {quote(str(root))} && exec {quote(sys.executable)} -S -E"
        f' -m backend.demo.npu_simulator {word}"$@"\n'
    )


class _Door(asyncssh.SSHServer):
    """Keeps count of the connections of a node."""

    def __init__(self, connections: set[asyncssh.SSHServerConnection], touch: Callable[[], None]) -> None:
        self._connections = connections
        self._touch = touch
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)
        self._touch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._connections.discard(self._connection)
        self._touch()
