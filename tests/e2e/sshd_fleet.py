"""A fleet of real OpenSSH servers on this machine: one to each address of 127.0.0.0/8, with a key of its
own.
"""

from __future__ import annotations

import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest
from loopback_sshd import SSHD, tree

from backend.fleet.inventory_files import save_inventory
from backend.inventory import Inventory, Node, SshOptions

_NPU_ROW = (
    "| {id}     910B3               | OK            | 93.8        45                0    / 0             |\n"
    "| 0                         | 0000:C1:00.0  | 0           0    / 0          3306 / 65536         |\n"
)
_RULE = "+===========================+===============+====================================================+\n"


def npu_table(count: int = 8) -> str:
    """About what npu-smi prints for so many healthy NPUs."""
    rows = "".join(_NPU_ROW.format(id=number) + _RULE for number in range(count))
    head = f"| {'npu-smi 24.1.rc2':<32} {'Version: 24.1.rc2':<65} |\n"
    titles = (
        "| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|\n"
        "| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |\n"
    )
    return _RULE + head + _RULE + titles + _RULE + rows


@dataclass
class Host:
    """`shell`: a script that stands where the login shell would, with the command in
    $SSH_ORIGINAL_COMMAND.
    """

    name: str
    address: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    shell: Path | None = None
    more: list[str] = field(default_factory=list)


class SshdFleet:
    """Started by `start`, ended by `stop`; `kill` and `boot` one host alone."""

    def __init__(self, folder: Path, count: int, *, names: str = "n{:03d}", npus: int = 8) -> None:
        self.folder = folder
        # a port that nobody else's fleet has, below those that the kernel hands out
        self.port = _free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        client = asyncssh.generate_private_key("ssh-ed25519")
        client.write_private_key(str(folder / "id"))
        (folder / "id").chmod(0o600)
        client.write_public_key(str(folder / "id.pub"))
        (folder / "bin").mkdir()
        smi = folder / "bin" / "npu-smi"
        smi.write_text(f"#!/bin/sh\nprintf '%s' '{npu_table(npus)}'\n")
        smi.chmod(0o755)
        self.npus = npus
        self.hosts = [
            Host(names.format(number), address(number), folder / names.format(number))
            for number in range(1, count + 1)
        ]
        for host in self.hosts:
            (host.folder / "work").mkdir(parents=True)
            self.new_key(host)
        self.trust()

    def new_key(self, host: Host) -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(host.folder / "key"))
        (host.folder / "key").chmod(0o600)
        key.write_public_key(str(host.folder / "key.pub"))

    def trust(self) -> None:
        """known_hosts with every host's key of now."""
        (self.folder / "known_hosts").write_text("".join(map(self.known_line, self.hosts)))

    def known_line(self, host: Host) -> str:
        kind, key = (host.folder / "key.pub").read_text().split()[:2]
        return f"[{host.address}]:{self.port} {kind} {key}\n"

    def start(self) -> None:
        assert SSHD
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        for host in self.hosts:
            self.spawn(host)
        for host in self.hosts:
            self.wait(host)

    def boot(self, host: Host) -> None:
        self.spawn(host)
        self.wait(host)

    def spawn(self, host: Host) -> None:
        assert SSHD
        config = host.folder / "sshd_config"
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        lines = [
            f"ListenAddress {host.address}:{self.port}",
            f"HostKey {host.folder}/key",
            "PidFile none",
            f"AuthorizedKeysFile {self.folder}/id.pub",
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "PrintMotd no",
            "Subsystem sftp internal-sftp",
            f'SetEnv "PATH={path}" "HOST_NAME={host.name}" "HOST_FOLDER={host.folder}" "HOME={host.folder}"',
            *([f"ForceCommand {host.shell}"] if host.shell else []),
            *host.more,
        ]
        config.write_text("\n".join(lines) + "\n")
        with (host.folder / "sshd.log").open("ab") as log:
            host.process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, host: Host) -> None:
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((host.address, self.port)) == 0:
                    return
            assert host.process is not None
            assert host.process.poll() is None, (host.folder / "sshd.log").read_text()
            assert time.monotonic() < deadline, host.name
            time.sleep(0.01)

    def kill(self, host: Host) -> None:
        """The listener and its sessions, at once and without a word."""
        if host.process is None:
            return
        for pid in tree(host.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        host.process.wait()
        host.process = None

    def stop(self) -> None:
        for host in self.hosts:
            self.kill(host)

    def inventory(self) -> Inventory:
        nodes = tuple(
            Node(
                host.name,
                host.address,
                host.address,
                self.npus,
                str(host.folder / "work"),
                port=self.port,
                user=self.user,
            )
            for host in self.hosts
        )
        return Inventory("loopback", nodes, str(self.folder / "shared"), self.options(), path=str(self.file))

    def options(self) -> SshOptions:
        return SshOptions(
            config="none",
            known_hosts=str(self.folder / "known_hosts"),
            identity_files=(str(self.folder / "id"),),
            connect_timeout_s=20,
        )

    @property
    def file(self) -> Path:
        return self.folder / "npudeck.toml"


@contextmanager
def running_fleet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshdFleet]:
    """n01 to n03, which every command of the test means."""
    (folder / "fleet").mkdir()
    fleet = SshdFleet(folder / "fleet", 3, names="n{:02d}")
    save_inventory(fleet.inventory(), str(fleet.file))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("NPUDECK_INVENTORY", str(fleet.file))
    fleet.start()
    try:
        yield fleet
    finally:
        fleet.stop()


def address(number: int) -> str:
    """Of the host with this number, from 1 on; 127.0.0.x is left to everything else."""
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


def _free_port() -> int:
    while True:
        port = random.randrange(12000, 30000)
        with socket.socket() as free:
            try:
                free.bind((address(1), port))
            except OSError:
                continue
            return port
