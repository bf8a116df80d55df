"""Hosts as network, process and host-name namespaces of this machine, each with a real sshd, on a bridge of
their own. A cable can be pulled and a power cord too; nothing of it is seen by the machine's own network.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from loopback_sshd import SSHD
from sshd_fleet import npu_table

from backend.inventory import Inventory, Node, SshOptions

_NET = "10.77.0"
# everything that a machine has of its own: processes, name, mounts, and when it was started
_BOOT = """
hostname "$1"
mount --bind "$2" /proc/sys/kernel/random/boot_id
exec "$3" -D -e -f "$4"
"""


def why_not() -> str:
    """Why there can be no such fleet here; "" when there can."""
    if not SSHD:
        return "no sshd"
    if os.getuid() != 0:
        return "namespaces need root"
    for argv in (["ip", "netns", "list"], ["unshare", "--pid", "--fork", "--net", "--mount-proc", "true"]):
        try:
            subprocess.run(argv, check=True, capture_output=True, timeout=10)
        except (OSError, subprocess.SubprocessError) as error:
            return f"{argv[0]}: {error}"
    return ""


@dataclass
class Machine:
    """`cable`: the switch's end of its cable."""

    name: str
    address: str
    space: str
    cable: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None


class NamespaceFleet:
    """Built by `start`, taken down by `stop`."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        mark = secrets.token_hex(2)
        self.switch, self.bastion = f"nd{mark}-switch", f"nd{mark}-bastion"
        client = asyncssh.generate_private_key("ssh-ed25519")
        client.write_private_key(str(folder / "id"))
        (folder / "id").chmod(0o600)
        client.write_public_key(str(folder / "id.pub"))
        (folder / "bin").mkdir()
        (folder / "bin" / "npu-smi").write_text(f"#!/bin/sh\nprintf '%s' '{npu_table()}'\n")
        (folder / "bin" / "npu-smi").chmod(0o755)
        self.machines = [
            Machine(
                f"n{number:02d}",
                f"{_NET}.{10 + number}",
                f"nd{mark}-{number}",
                f"cable{number}",
                folder / f"n{number:02d}",
            )
            for number in range(1, count + 1)
        ]
        known = []
        for machine in self.machines:
            (machine.folder / "work").mkdir(parents=True)
            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(str(machine.folder / "key"))
            (machine.folder / "key").chmod(0o600)
            public = key.export_public_key("openssh").decode().strip()
            known.append(f"{machine.address} {public}\n")
            self._configure(machine)
        (folder / "known_hosts").write_text("".join(known))

    def _configure(self, machine: Machine) -> None:
        lines = (
            "ListenAddress 0.0.0.0:22",
            f"HostKey {machine.folder}/key",
            "PidFile none",
            f"AuthorizedKeysFile {self.folder}/id.pub",
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "PrintMotd no",
            f'SetEnv "PATH={self.folder}/bin:{os.environ["PATH"]}" "HOME={machine.folder}"',
        )
        (machine.folder / "sshd_config").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        os.makedirs("/run/sshd", exist_ok=True)
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.switch, "link", "set", "bridge", "up")
        self._plug(self.bastion, "bastion", f"{_NET}.1")
        for machine in self.machines:
            self._plug(machine.space, machine.cable, machine.address)
            self.boot(machine)

    def _plug(self, space: str, cable: str, address: str) -> None:
        ip("netns", "add", space)
        ip("link", "add", cable, "netns", self.switch, "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("-n", self.switch, "link", "set", cable, "master", "bridge", "up")
        ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", space, "link", "set", "eth0", "up")
        ip("-n", space, "link", "set", "lo", "up")

    def cut(self, machine: Machine) -> None:
        """Pull the cable: from now on there is silence, no reset."""
        ip("-n", self.switch, "link", "set", machine.cable, "down")

    def heal(self, machine: Machine) -> None:
        ip("-n", self.switch, "link", "set", machine.cable, "up")

    def power_off(self, machine: Machine) -> None:
        """Cable and cord at once: its peers hear nothing, and every process on it is gone."""
        self.cut(machine)
        if machine.process is not None:
            machine.process.send_signal(signal.SIGKILL)
            machine.process.wait()
            machine.process = None

    def boot(self, machine: Machine) -> None:
        assert SSHD
        boot_id = machine.folder / "boot_id"
        boot_id.write_text(Path("/proc/sys/kernel/random/uuid").read_text())
        self.heal(machine)
        with (machine.folder / "sshd.log").open("ab") as log:
            machine.process = subprocess.Popen(
                ["ip", "netns", "exec", machine.space,
                 "unshare", "--pid", "--uts", "--mount", "--fork", "--kill-child=KILL", "--mount-proc",
                 "sh", "-c", _BOOT, "boot", machine.name, str(boot_id), SSHD,
                 str(machine.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        for machine in self.machines:
            if machine.process is not None:
                machine.process.send_signal(signal.SIGKILL)
                machine.process.wait()
        for space in (*(machine.space for machine in self.machines), self.bastion, self.switch):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)

    def wait(self) -> None:
        """Until every sshd answers."""
        for machine in self.machines:
            deadline = time.monotonic() + 20
            probe = f"exec 3<>/dev/tcp/{machine.address}/22"
            while subprocess.run(
                self.inside(["bash", "-c", probe]), check=False, capture_output=True
            ).returncode:
                assert time.monotonic() < deadline, (machine.folder / "sshd.log").read_text()
                time.sleep(0.05)

    def inside(self, argv: list[str]) -> list[str]:
        """The same command on the bastion."""
        return ["ip", "netns", "exec", self.bastion, *argv]

    def inventory(self) -> Inventory:
        nodes = tuple(
            Node(machine.name, machine.address, machine.address, 8, str(machine.folder / "work"))
            for machine in self.machines
        )
        ssh = SshOptions(
            user="root",
            config="none",
            known_hosts=str(self.folder / "known_hosts"),
            identity_files=(str(self.folder / "id"),),
            connect_timeout_s=5,
        )
        return Inventory(
            "spaces", nodes, str(self.folder / "shared"), ssh, path=str(self.folder / "npudeck.toml")
        )


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
