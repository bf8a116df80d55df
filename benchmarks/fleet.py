"""How soon a whole fleet answers: 64 and 256 real sshd on this machine, beside pdsh and clush in the same
run.

Every host is an sshd of its own on an address of 127.0.0.0/8; nothing leaves the machine, and both ends
share its processors. All read the same file of 6 kB on every host. `cold`: a process that logs in, asks and
ends, start-up included, as pdsh and clush do every time; `warm`: a further question over the connections
that npudeck keeps. The tools take turns, so that a machine that is busy with something else is so for all
of them.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _figures import Figure, figure, options, report
from _process import ENVIRONMENT

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent), str(_HERE.parent / "tests" / "e2e")]

from sshd_fleet import SshdFleet  # noqa: E402

from backend.fleet.inventory_files import save_inventory  # noqa: E402

_ASK = str(_HERE / "_fleet_ask.py")
_FILE_BYTES = 6144
_FAN_OUT = 64
# hosts -> seconds to log in everywhere, seconds of one round of health
_GOALS = {64: (2.0, 1.0), 256: (4.0, 1.0)}
_FASTER_COLD, _FASTER_WARM = 3.0, 10.0


class Bench:
    """One fleet, and everybody who asks it."""

    def __init__(self, folder: Path, hosts: int) -> None:
        self.fleet = SshdFleet(folder, hosts)
        self.file = folder / "file"
        self.file.write_bytes(os.urandom(_FILE_BYTES // 2).hex().encode())
        self.hosts = [host.address for host in self.fleet.hosts]
        save_inventory(self.fleet.inventory(), str(self.fleet.file))
        (folder / "hosts").write_text("".join(f"{host}\n" for host in self.hosts))

    def cold(self) -> float:
        return _seconds([sys.executable, _ASK, str(self.fleet.file), "cold", str(self.file)])

    def rounds(self, count: int) -> dict[str, float]:
        argv = [sys.executable, _ASK, str(self.fleet.file), "rounds", str(self.file), str(count)]
        said = json.loads(_first(argv, ENVIRONMENT).stdout)
        return {
            name: statistics.median(value) if isinstance(value, list) else value
            for name, value in said.items()
        }

    def reference(self, tool: str) -> float:
        """pdsh or clush, with host keys checked as npudeck checks them."""
        words = " ".join(self._ssh_options())
        hosts, command = str(self.fleet.folder / "hosts"), f"cat {self.file}"
        if tool == "pdsh":
            argv = [
                "pdsh",
                "-R",
                "ssh",
                "-f",
                str(_FAN_OUT),
                "-l",
                self.fleet.user,
                "-w",
                f"^{hosts}",
                command,
            ]
            environment = {**ENVIRONMENT, "PDSH_SSH_ARGS": f"{words} -l%u %h"}
        else:
            argv = [
                "clush",
                "-f",
                str(_FAN_OUT),
                "-l",
                self.fleet.user,
                "-o",
                words,
                "--hostfile",
                hosts,
                command,
            ]
            environment = ENVIRONMENT
        return _seconds(argv, environment, _FILE_BYTES * len(self.hosts))

    def _ssh_options(self) -> list[str]:
        return [
            "-F none",
            f"-i {self.fleet.folder}/id",
            f"-p {self.fleet.port}",
            f"-oUserKnownHostsFile={self.fleet.folder}/known_hosts",
            "-oStrictHostKeyChecking=yes",
            "-oBatchMode=yes",
            "-oControlPath=none",
            "-oLogLevel=ERROR",
        ]


def _seconds(argv: list[str], environment: dict[str, str] = ENVIRONMENT, least_bytes: int = 0) -> float:
    """Raises SystemExit when it fails or answers less than every host does: such figures are worth
    nothing.
    """
    began = time.perf_counter()
    done = _first(argv, environment)
    took = time.perf_counter() - began
    if done.returncode or len(done.stdout) < least_bytes:
        raise SystemExit(
            f"{argv[0]} ended with {done.returncode}: {done.stderr[-300:].decode(errors='replace')}"
        )
    return took


def _first(argv: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    script = 'echo -19 >/proc/self/autogroup; exec "$@"'
    wrapped = ["sh", "-c", script, "sh", *argv] if Path("/proc/self/autogroup").exists() else argv
    return subprocess.run(
        wrapped, env=environment, capture_output=True, check=False, timeout=300, start_new_session=True
    )


def measure(hosts: int, tools: list[str], turns: int) -> list[Figure]:
    connect_goal, health_goal = _GOALS[hosts]
    with tempfile.TemporaryDirectory(prefix="npudeck-fleet-") as folder:
        bench = Bench(Path(folder), hosts)
        try:
            bench.fleet.start()
            times: dict[str, list[float]] = {}
            for _turn in range(turns):
                times.setdefault("cold", []).append(bench.cold())
                for name, value in bench.rounds(5).items():
                    times.setdefault(name, []).append(value)
                for tool in tools:
                    times.setdefault(tool, []).append(bench.reference(tool))
        finally:
            bench.fleet.stop()
    middle = {name: statistics.median(values) for name, values in times.items()}
    figures = [
        figure(f"{hosts} hosts, log in everywhere", middle["connect"], "s", goal=connect_goal),
        figure(f"{hosts} hosts, one round of health, watched", middle["watch"], "s", goal=health_goal),
        figure(f"{hosts} hosts, one round of health, asked anew", middle["health"], "s", goal=health_goal),
    ]
    for tool in tools:
        for name, least in (("cold", _FASTER_COLD), ("read", _FASTER_WARM)):
            # how many times sooner: the reference's time over ours
            shown = "warm" if name == "read" else name
            figures.append(
                figure(
                    f"{hosts} hosts, {tool} over npudeck {shown}",
                    middle[tool],
                    "s",
                    reference=f"npudeck {shown}",
                    reference_value=middle[name],
                    least_ratio=least,
                )
            )
    return figures


def main() -> int:
    chosen = options(__doc__ or "")
    if os.getuid() != 0:
        raise SystemExit("one sshd on each address needs root")
    # 256 hosts, each an open connection and the servers' own
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    tools = [tool for tool in ("pdsh", "clush") if shutil.which(tool)]
    for tool in ("pdsh", "clush"):
        if tool not in tools:
            print(f"{tool} is not installed: its figures are left out", file=sys.stderr)
    figures: list[Figure] = []
    for hosts in (64,) if chosen.quick else (64, 256):
        figures += measure(hosts, tools, 1 if chosen.quick else 3)
    return report(figures, chosen)


if __name__ == "__main__":
    sys.exit(main())
