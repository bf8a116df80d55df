"""Machines inside this one: each with processes, a network, devices, /etc and /usr/local of its own.

Real kernels' namespaces, real sshd, and a real Docker engine where one is asked for. What stands in for
hardware: /dev/davinci* (the null device), and npu-smi and hccn_tool as scripts in /usr/local/sbin.
"""

from __future__ import annotations

import functools
import os
import pwd
import random
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import asyncssh
from loopback_sshd import SSHD, tree

from backend.demo.npu_smi_text import Chip, info_text, mapping_text
from backend.inventory import Node, SshOptions

PORT = 22
WORK = "/home/ma-user/ws"
SHARED = "/mnt/sfs"
DEVICES = [*(f"davinci{npu}" for npu in range(8)), "davinci_manager", "devmm_svm", "hisi_hdc"]
DRIVER = "Version=23.0.5\nascendhal_version=7.35.19\n"
TOOLKIT = "package_name=Ascend-cann-toolkit\nversion=8.0.RC2\ninnerversion=V100R001C18\n"

# words: folder of the machine, its address, gateway, shared folder, sshd, a public key. Its process 1.
_BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs layers "$1/layers"
for part in etc local; do mkdir "$1/layers/$part" "$1/layers/$part-work"; done
overlay() { mount -t overlay "$1" -o "lowerdir=$2,upperdir=$3/layers/$1,workdir=$3/layers/$1-work" "$2"; }
overlay etc /etc "$1"
overlay local /usr/local "$1"
mount -t tmpfs dev "$1/dev"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$1/dev/${device%%:*}" c 1 "${device##*:}"
done
mknod -m 666 "$1/dev/tty" c 5 0
for device in $DAVINCI; do mknod -m 666 "$1/dev/$device" c 1 3; done
mkdir "$1/dev/pts" "$1/dev/shm"
ln -s /proc/self/fd "$1/dev/fd"
mount --bind /dev/pts "$1/dev/pts"
mount -t tmpfs -o size=200g shm "$1/dev/shm"
mount --rbind "$1/dev" /dev
mkdir -p "$1/home" /home /mnt
mount -t tmpfs home /home
mkdir -p /home/ma-user/ws
mount --bind "$1/work" /home/ma-user/ws
mount -t tmpfs mnt /mnt
mkdir /mnt/sfs
mount --bind "$4" /mnt/sfs
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip address add "$2/24" dev eth0
ip link set eth0 up
ip route add default via "$3"
sysctl -qw net.ipv4.ip_forward=1
echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-test.conf
ulimit -n "$(ulimit -Hn)"
ulimit -l "$(ulimit -Hl)"
install -m 644 "$6" /etc/test-keys
touch "$1/booted"
exec "$5" -D -e -f "$1/sshd_config"
"""


@functools.cache
def why_not() -> str:
    """Why such machines cannot be had here; "" when they can."""
    if not SSHD or os.getuid() != 0:
        return "needs sshd and root"
    if not all(shutil.which(tool) for tool in ("unshare", "nsenter", "ip", "mknod")):
        return "needs unshare, nsenter and ip"
    probe = "mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w && mknod /mnt/n c 1 3 && echo >/mnt/n && " + (
        "mount -t overlay o -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w /etc && ip link set lo up"
    )
    done = subprocess.run(
        ["unshare", "-m", "-n", "-p", "-f", "--mount-proc", "sh", "-c", probe], capture_output=True, text=True
    )
    return f"no namespaces: {done.stderr.strip()}" if done.returncode else ""


class Machine:
    """One machine: `boot`, `run` a command in it as its root, `power_off`."""

    def __init__(
        self, name: str, folder: Path, address: str, gateway: str, bridge: str, shared: Path
    ) -> None:
        self.name = name
        self.folder = folder
        self.address = address
        self._gateway = gateway
        self._bridge = bridge
        self._shared = shared
        self._outer: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self.npu_rows: list[int] = list(range(8))
        for part in ("layers", "dev", "work", "bin"):
            (folder / part).mkdir(parents=True)

    @property
    def work(self) -> Path:
        """Its work directory, as it is seen from outside."""
        return self.folder / "work"

    def boot(self, key: Path) -> None:
        (self.folder / "booted").unlink(missing_ok=True)
        lines = [
            f"ListenAddress {self.address}:{PORT}",
            f"HostKey {self.folder}/key",
            "PidFile none",
            "AuthorizedKeysFile /etc/test-keys",
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            "PasswordAuthentication no",
            "PermitRootLogin prohibit-password",
            "PrintMotd no",
            "Subsystem sftp internal-sftp",
            f'SetEnv "PATH={self.folder}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" '
            f'"DOCKER_HOST=unix://{self.folder}/docker.sock" "HOME={self.folder}"',
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        words = [str(self.folder), self.address, self._gateway, str(self._shared), str(SSHD), f"{key}.pub"]
        argv = [
            "unshare",
            "-m",
            "-n",
            "-p",
            "-u",
            "-f",
            "--mount-proc",
            "--kill-child",
            "sh",
            "-c",
            _BOOT,
            "boot",
        ]
        with (self.folder / "boot.log").open("ab") as log:
            self._outer = subprocess.Popen(
                [*argv, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "DAVINCI": " ".join(DEVICES)},
                start_new_session=True,
            )
        self.pid = self._until(self._child)
        link = f"v{self.pid}"
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        _ip("link", "set", link, "master", self._bridge, "up")
        self._until((self.folder / "booted").exists)
        self._until(self._listens)
        self._furnish()

    def power_off(self) -> None:
        if self._outer is None:
            return
        for pid in tree(self._outer.pid):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        self._outer.wait()
        self._outer = None

    def run(self, command: str, *, check: bool = True) -> str:
        """A shell line as the machine's root."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-u", "--", "sh", "-c", command],
            capture_output=True,
            text=True,
            env={**os.environ, "DOCKER_HOST": f"unix://{self.folder}/docker.sock"},
        )
        assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def background(self, *argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-u", "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "background.log").open("ab"),
            start_new_session=True,
        )

    def show_npus(self, npus: Sequence[int] = range(8), busy: int | None = None) -> None:
        """What npu-smi prints from now on."""
        chips = [
            Chip(npu, "OK", 90.0, 40, 0, 3300, ((4711, "python", 900),) if npu == busy else ())
            for npu in npus
        ]
        self.answer_npu_smi(info_text(chips), mapping_text(npus))

    def answer_npu_smi(self, table: str, mapping: str) -> None:
        """To `npu-smi info` and to `npu-smi info -m`; in shell alone, because containers have it too."""
        show = "while IFS= read -r line; do printf '%s\\n' \"$line\"; done <<'END'"
        self.tool("npu-smi", f'[ "$2" = -m ] && {{\n{show}\n{mapping}\nEND\nexit\n}}\n{show}\n{table}\nEND')

    def tool(self, name: str, text: str) -> None:
        """A program of the driver: new bytes in the same file, which a container may have mounted."""
        new = self.folder / "new"
        new.write_text(f"#!/bin/sh\n{text}\n")
        self.run(f"cat {new} >/usr/local/sbin/{name} && chmod 755 /usr/local/sbin/{name}")

    def node(self, python: str = "/usr/bin/python3", device: str = "npu") -> Node:
        user = pwd.getpwuid(os.getuid()).pw_name
        return Node(
            self.name, self.address, self.address, 8, WORK, port=PORT, user=user, python=python, device=device
        )

    def _furnish(self) -> None:
        """The driver, its tools, and CANN."""
        root = "/usr/local/Ascend"
        self.run(
            f"mkdir -p {root}/driver {root}/ascend-toolkit/latest/aarch64-linux /usr/local/dcmi && "
            f"printf '{DRIVER}' >{root}/driver/version.info && "
            f"printf '{TOOLKIT}' >{root}/ascend-toolkit/latest/aarch64-linux/ascend_toolkit_install.info"
        )
        number = self.address.rpartition(".")[2]
        self.run("printf 0 >/etc/test-tls")
        self.tool(
            "hccn_tool",
            f'case $3 in\n-ip) printf "ipaddr:10.20.{number}.%s\\nnetmask:255.255.0.0\\n" "$2" ;;\n'
            '-tls) echo "dev_id:$2, tls switch[$(cat /etc/test-tls)](0:disable, 1:enable)" ;;\n'
            "esac",
        )
        self.show_npus()

    def _child(self) -> int:
        assert self._outer is not None
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.address, PORT)) == 0

    def _until(self, done: object) -> int:
        end = time.monotonic() + 20
        while not (found := done()):  # type: ignore[operator]
            assert self._outer is not None
            assert self._outer.poll() is None, (self.folder / "boot.log").read_text()
            assert time.monotonic() < end, (self.folder / "boot.log").read_text()
            time.sleep(0.02)
        return int(found)


class Machines:
    """Several on one network, with one folder that all of them mount at /mnt/sfs."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        net = f"10.{random.randrange(200, 250)}.{random.randrange(1, 250)}"
        self._bridge = f"b{os.getpid() % 100000}{random.randrange(100):02}"
        self.key = folder / "id"
        self.shared = folder / "shared"
        self.shared.mkdir()
        client = asyncssh.generate_private_key("ssh-ed25519")
        client.write_private_key(str(self.key))
        self.key.chmod(0o600)
        client.write_public_key(f"{self.key}.pub")
        os.makedirs("/run/sshd", exist_ok=True)
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("address", "add", f"{net}.254/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        self.all = [
            Machine(
                f"m{number}",
                folder / f"m{number}",
                f"{net}.{number}",
                f"{net}.254",
                self._bridge,
                self.shared,
            )
            for number in range(1, count + 1)
        ]
        known = []
        for machine in self.all:
            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(str(machine.folder / "key"))
            (machine.folder / "key").chmod(0o600)
            kind, text = key.export_public_key().decode().split()[:2]
            known.append(f"{machine.address} {kind} {text}\n")
        (folder / "known_hosts").write_text("".join(known))

    def boot(self) -> None:
        for machine in self.all:
            machine.boot(self.key)

    def close(self) -> None:
        for machine in self.all:
            machine.power_off()
        subprocess.run(["ip", "link", "del", self._bridge], capture_output=True)

    def options(self) -> SshOptions:
        return SshOptions(
            config="none",
            known_hosts=str(self.folder / "known_hosts"),
            identity_files=(str(self.key),),
            connect_timeout_s=10,
        )


def start_docker(machine: Machine) -> subprocess.Popen[bytes]:
    """An engine of the machine's own; ends with it."""
    base = machine.folder / "docker"
    base.mkdir(exist_ok=True)
    engine = machine.background(
        "dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs",
        "--data-root", str(base / "data"), "--exec-root", str(base / "exec"), "--pidfile", str(base / "pid"),
        "-H", f"unix://{machine.folder}/docker.sock",
    )  # fmt: skip
    end = time.monotonic() + 40
    while not machine.run("docker version --format '{{.Server.Version}}' 2>/dev/null", check=False).strip():
        assert engine.poll() is None, (machine.folder / "background.log").read_text()[-2000:]
        assert time.monotonic() < end
        time.sleep(0.2)
    return engine


def make_image(path: Path, programs: list[str], libraries: list[str]) -> Path:
    """A tar of an image: programs of this machine, what they and `libraries` load, two users, CANN's file."""
    loaded = {word for one in [*programs, *libraries] for word in _loaded(one)}
    texts = {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\nma-user:x:1000:1000::/home/ma-user:/bin/sh\n",
        "etc/group": "root:x:0:\nma-group:x:1000:\n",
        "usr/local/Ascend/ascend-toolkit/latest/aarch64-linux/ascend_toolkit_install.info": TOOLKIT,
    }
    with tarfile.open(path, "w") as tar:
        named = [file.lstrip("/") for file in loaded] + list(texts)
        above = {str(parent) for name in named for parent in Path(name).parents if str(parent) != "."}
        above |= {"tmp", "root", "dev", "proc", "sys", "usr/bin", "usr/local/sbin", "home", "home/ma-user"}
        for folder in sorted(above):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for file in sorted(loaded):
            _add(tar, file, file.lstrip("/"))
        for program in programs:
            _add(tar, program, f"usr/bin/{Path(program).name}")
        link = tarfile.TarInfo("bin")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/bin"
        tar.addfile(link)
        for name, text in texts.items():
            (path.parent / "entry").write_text(text)
            tar.add(path.parent / "entry", arcname=name)
    return path


def _loaded(program: str) -> list[str]:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    words = [
        word for line in listed.splitlines() for word in line.split() if word.startswith(("/lib", "/usr/lib"))
    ]
    return [word.rstrip(":") for word in words]


def _add(tar: tarfile.TarFile, file: str, name: str) -> None:
    """What a link leads to, under the link's name."""
    tar.add(os.path.realpath(file), arcname=name, recursive=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
