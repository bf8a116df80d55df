"""A real OpenSSH server on loopback, for one user on one port, with keys of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from backend.inventory import Node, SshOptions

SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if os.path.exists("/usr/sbin/sshd") else None)


class Sshd:
    """One sshd for one user on one port. Everything it starts ends with it."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = dict(environment or {})
        self.user = pwd.getpwuid(os.getuid()).pw_name
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("host", "id", "stranger"):
            self.keygen(name)
        (folder / "authorized_keys").write_text((folder / "id.pub").read_text())
        (folder / "bin").mkdir()
        self.trust()

    def keygen(self, name: str) -> None:
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)

    def trust(self, name: str = "host") -> None:
        public = (self.folder / f"{name}.pub").read_text().split()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n")

    def start(self) -> None:
        assert SSHD
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.folder}/host\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            f"SetEnv {self._variables()}\n"
        )
        self.process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stderr=(self.folder / "sshd.log").open("ab"),
            start_new_session=True,
        )
        deadline = time.monotonic() + 15
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        """The listener and every session, at once and without a word."""
        if self.process is None:
            return
        for pid in tree(self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        self.process = None

    def node(self) -> Node:
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        return Node("n01", "127.0.0.1", "127.0.0.1", 2, str(work), port=self.port, user=self.user)

    def options(self, key: str = "id") -> SshOptions:
        return SshOptions(
            config="none",
            known_hosts=str(self.folder / "known_hosts"),
            identity_files=(str(self.folder / key),),
            connect_timeout_s=10,
        )

    def npu_smi(self, script: str) -> None:
        new = self.folder / "bin" / "new"
        new.write_text(f"#!/bin/sh\n{script}\n")
        new.chmod(0o755)
        new.replace(self.folder / "bin" / "npu-smi")

    def _variables(self) -> str:
        # a home of its own: what a login shell does in the real one may take seconds, and be killed half way
        home = {"HOME": str(self.folder)}
        variables = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", **home, **self.environment}
        return " ".join(f'"{name}={value}"' for name, value in variables.items())


def tree(pid: int) -> list[int]:
    """Children before their parents; sessions of sshd have left its process group. Jobs have left both."""
    found = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    for child in children:
        found += tree(int(child))
    return [*found, pid]
