"""The processes of a demo node: those that carry its name in their environment. Standard library alone.

DEMO_FLEET (the directory of the fleet) and DEMO_NODE are set for every command of a node, so whatever a
command starts, however detached, carries them too.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

FLEET = "DEMO_FLEET"
NODE = "DEMO_NODE"
YOUNG_S = 1.0


def marked(fleet: str, node: str | None = None) -> Iterator[tuple[int, dict[str, str]]]:
    """Process id and environment of each living process of the fleet, or of one node of it."""
    for pid, environment in _environments():
        if _belongs(pid, environment, fleet, node):
            yield pid, environment


def end_all(fleet: str, node: str | None = None, deadline_s: float = 5.0) -> None:
    """SIGKILL them until two looks one after the other find none. One look is not enough: a process may fork
    while we look, and one that execs has no environment for a moment."""
    until = time.monotonic() + deadline_s
    clean = 0
    while True:
        looked = list(_environments())
        pids = [pid for pid, environment in looked if _belongs(pid, environment, fleet, node)]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        execing = any(not environment and _is_young(pid) for pid, environment in looked)
        clean = 0 if pids or execing else clean + 1
        if clean == 2 or time.monotonic() > until:
            return
        time.sleep(0.02)


def _belongs(pid: int, environment: dict[str, str], fleet: str, node: str | None) -> bool:
    return environment.get(FLEET) == fleet and node in (None, environment.get(NODE)) and pid != os.getpid()


def _is_young(pid: int) -> bool:
    """Living, and forked so short ago that it may be between fork and exec still. A process that runs without
    any environment, or one that belongs to the kernel, is older sooner or later."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError, AttributeError):
        return False
    return fields[0] not in "ZX" and age_s < YOUNG_S


def _environments() -> Iterator[tuple[int, dict[str, str]]]:
    """Of our own processes. That of a zombie is empty, and so is that of a process in the middle of exec."""
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 - the simulator starts without pathlib, to be quick
        yield from _environments_without_proc()
        return
    user = os.getuid()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            if entry.stat().st_uid != user:
                continue
            with open(f"/proc/{entry.name}/environ", "rb") as file:  # noqa: PTH123
                raw = file.read()
        except OSError:
            continue
        yield int(entry.name), _parsed(raw)


def _parsed(raw: bytes) -> dict[str, str]:
    pairs = (item.partition("=") for item in raw.decode("utf-8", "surrogateescape").split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def _environments_without_proc() -> Iterator[tuple[int, dict[str, str]]]:
    try:
        import psutil
    except ImportError:  # inside the simulator, which runs without installed packages
        return
    for process in psutil.process_iter():
        try:
            yield process.pid, process.environ()
        except (psutil.Error, OSError):
            continue
