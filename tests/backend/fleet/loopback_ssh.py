"""An SSH server inside the test's own loop: real protocol, real commands of this machine, no sshd."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import asyncssh

from backend.inventory import Node, SshOptions


class LoopbackHost:
    """Listens on 127.0.0.1; `cut` drops everything, `heal` listens on the same port again."""

    def __init__(self, directory: Path, client_key: Any = None) -> None:
        self.directory = directory
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = client_key or asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self.logins = 0
        self.commands: list[str] = []
        self.path = os.environ["PATH"]
        self.shell = "/bin/sh"
        self.drop_before_login = 0
        self.forwards = False
        self._server: Any = None
        self._connections: set[Any] = set()
        self._children: set[asyncio.subprocess.Process] = set()
        self._handlers: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        directory = self.directory / "ssh"
        directory.mkdir(parents=True, exist_ok=True)
        self.client_key.write_private_key(str(directory / "id"))
        (directory / "id").chmod(0o600)
        await self.heal()
        self.trust()

    def trust(self, key: Any = None) -> None:
        """Write the host's key (or another) into known_hosts."""
        public = (key or self.host_key).export_public_key("openssh").decode().strip()
        (self.directory / "ssh" / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}\n")

    async def heal(self) -> None:
        host = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, connection: Any) -> None:
                self.connection = connection
                if host.drop_before_login > 0:
                    host.drop_before_login -= 1
                    connection.abort()
                    return
                host._connections.add(connection)

            def connection_lost(self, error: Any) -> None:
                host._connections.discard(self.connection)

            def connection_requested(self, *place: Any) -> bool:
                return host.forwards

            def auth_completed(self) -> None:
                host.logins += 1

        self._server = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_host_keys=[self.host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(
                self.client_key.export_public_key("openssh").decode()
            ),
            server_factory=Server,
            process_factory=self._process,
            encoding=None,
            reuse_address=True,
        )
        self.port = self._server.get_port()

    def cut(self) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.abort()

    async def stop(self) -> None:
        self.cut()
        for child in list(self._children):
            _kill_group(child, signal.SIGKILL)
            await child.wait()
        if self._handlers:
            await asyncio.wait(self._handlers, timeout=5)

    def node(self, name: str = "n01") -> Node:
        work = self.directory / "work"
        work.mkdir(exist_ok=True)
        return Node(name, "127.0.0.1", "127.0.0.1", 8, str(work), port=self.port)

    def options(self, **changes: Any) -> SshOptions:
        directory = self.directory / "ssh"
        values = {
            "user": "tester",
            "config": "none",
            "known_hosts": str(directory / "known_hosts"),
            "identity_files": (str(directory / "id"),),
            "connect_timeout_s": 5.0,
        }
        return SshOptions(**(values | changes))

    async def _process(self, process: Any) -> None:
        self.commands.append(process.command)
        handler = asyncio.current_task()
        assert handler
        self._handlers.add(handler)
        handler.add_done_callback(self._handlers.discard)
        child = await asyncio.create_subprocess_exec(
            self.shell,
            "-c",
            process.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PATH": self.path, "HOME": str(self.directory)},
            start_new_session=True,
        )
        self._children.add(child)
        feeding = asyncio.create_task(_feed(process, child))
        pumps = asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
        ended = asyncio.create_task(child.wait())
        gone = asyncio.create_task(process.channel.wait_closed())
        await asyncio.wait([ended, gone], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            _kill_group(child, signal.SIGHUP)
            await asyncio.wait([ended], timeout=1)
        await asyncio.wait([pumps], timeout=1)
        for task in (feeding, gone, pumps, ended):
            task.cancel()
        # a pipe with unread output never ends by itself
        child._transport.close()  # type: ignore[attr-defined]
        self._children.discard(child)
        code = child.returncode
        if code is not None and code < 0:
            process.exit_with_signal(signal.Signals(-code).name[3:])
        elif code is not None:
            process.exit(code)


async def _feed(process: Any, child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    try:
        while data := await process.stdin.read(65536):
            child.stdin.write(data)
            await child.stdin.drain()
    except (OSError, asyncssh.Error):
        pass
    finally:
        child.stdin.close()


async def _pump(source: Any, sink: Any) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except (OSError, asyncssh.Error):
        return


def _kill_group(child: asyncio.subprocess.Process, number: int) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return
