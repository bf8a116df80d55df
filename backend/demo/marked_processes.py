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


def marked(fleet: str, node: str | None = None) -> Iterator[tuple[int, dict[str, str]]]:
    """Process id and environment of each living process of the fleet, or of one node of it."""
    for pid, environment in _environments():
        if environment.get(FLEET) == fleet and node in (None, environment.get(NODE)) and pid != os.getpid():
            yield pid, environment


def end_all(fleet: str, node: str | None = None, deadline_s: float = 5.0) -> None:
    """SIGKILL them until none is left: a process may fork while we look."""
    until = time.monotonic() + deadline_s
    while pids := [pid for pid, _ in marked(fleet, node)]:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > until:
            return
        time.sleep(0.02)


def _environments() -> Iterator[tuple[int, dict[str, str]]]:
    """Of our own processes. Zombies have no environment any more and do not come."""
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
