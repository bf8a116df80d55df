"""All hosts of a demo fleet in one process: nodes, keys, control socket, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from backend.demo.demo_control import control_path, serve_control
from backend.demo.demo_inventory import write_inventory
from backend.demo.demo_keys import authorized_keys, ensure_keys, write_known_hosts
from backend.demo.demo_layout import DemoLayout, node_names
from backend.demo.demo_node import Character, DemoNode
from backend.demo.marked_processes import FLEET, NODE, end_all, marked
from backend.demo.npu_faults import faults_of
from backend.problems import ConflictError, Problem, Severity
from backend.translation import _

SLOW_S = 1.2
# by the number of the node
WELL_FLEET = {3: "1=warning"}
ILL_FLEET = {1: "1=link", 2: "1=critical", 3: "0=alarm,1=warning", 4: "1=lost"}
LOOK_FOR_IDLENESS_S = 30.0


class DemoHosts:
    """The hosts of one fleet. `start`, then `wait`, then `stop`; `stop` is safe to call at any time."""

    def __init__(self, layout: DemoLayout, count: int, *, ill: bool = False) -> None:
        self.layout = layout
        self.nodes: dict[str, DemoNode] = {}
        self._count = count
        self._faults = ILL_FLEET if ill else WELL_FLEET
        self._ended = asyncio.Event()
        self._lock: IO[str] | None = None
        self._control: asyncio.Server | None = None
        self._control_path: Path | None = None
        self._last_asked = time.monotonic()

    async def start(self) -> None:
        """Listen on all nodes and write inventory, keys and hosts.json. Raises `ConflictError` when the
        directory has living hosts already."""
        self._lock = _locked(self.layout)
        for name in (FLEET, NODE):
            os.environ.pop(name, None)  # else a demo started from a demo node would end itself with that node
        earlier = _earlier_ports(self.layout)
        host_key = ensure_keys(self.layout)
        for name, character in zip(
            node_names(self._count), characters(self._count, self._faults), strict=True
        ):
            node = DemoNode(name, self.layout, host_key, authorized_keys(self.layout), character)
            await node.start(earlier.get(name, 0))
            self.nodes[name] = node
        ports = {name: node.port for name, node in self.nodes.items()}
        write_known_hosts(self.layout, host_key, ports)
        write_inventory(self.layout, ports)
        self._control_path = control_path(self.layout)
        self._control = await serve_control(self._control_path, self._answer)
        self._write_record(ports)

    async def wait(self, idle_limit_s: float | None = None) -> None:
        """Until `end`, the word `stop`, or so long without any connection and any process."""
        pause = None if idle_limit_s is None else min(LOOK_FOR_IDLENESS_S, idle_limit_s / 4)
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), pause)
            if idle_limit_s is not None and self._idle_s() > idle_limit_s:
                return

    def end(self) -> None:
        """Let `wait` come back."""
        self._ended.set()

    async def stop(self) -> None:
        """Close every listener and kill every process of every node."""
        if self._lock is None:
            return
        if self._control is not None:
            self._control.close()
        for node in self.nodes.values():
            await node.cut()
        await asyncio.to_thread(end_all, str(self.layout.root))
        if self._control_path is not None:
            self._control_path.unlink(missing_ok=True)
            if self._control_path.parent != self.layout.root:
                self._control_path.parent.rmdir()
        self._lock.close()
        self._lock = None

    def _idle_s(self) -> float:
        """Seconds since anybody used the fleet; 0 while somebody is connected or something runs."""
        now = time.monotonic()
        if any(node.connections for node in self.nodes.values()) or any(marked(str(self.layout.root))):
            self._last_asked = now
        return now - max(self._last_asked, *(node.last_used for node in self.nodes.values()))

    async def _answer(self, line: str) -> str:
        self._last_asked = time.monotonic()
        word, __, name = line.partition(" ")
        if word == "status":
            return json.dumps(
                {"pid": os.getpid(), "nodes": [_described(node) for node in self.nodes.values()]}
            )
        if word == "stop":
            self.end()
            return "ok"
        if word == "ill":
            for number, ill in enumerate(self.nodes.values(), 1):
                ill.set_faults(ILL_FLEET.get(number, ""))
            return "ok"
        if word == "faults":
            return self._set_faults(*name.partition(" ")[::2])
        node = self.nodes.get(name)
        actions = {"cut": DemoNode.cut, "heal": DemoNode.heal, "poweroff": DemoNode.power_off}
        if node is None or word not in actions:
            return f"error: cannot {line!r}"
        try:
            await actions[word](node)
        except OSError as error:
            return f"error: {error}"
        return "ok"

    def _set_faults(self, name: str, faults: str) -> str:
        node = self.nodes.get(name)
        wanted = faults.split(",") if faults else []
        if node is None or len(faults_of(faults)) != len(wanted):
            return f"error: cannot set {faults!r} on {name!r}"
        node.set_faults(faults)
        return "ok"

    def _write_record(self, ports: dict[str, int]) -> None:
        record = {
            "pid": os.getpid(),
            "started": time.time(),
            "control": str(self._control_path),
            "ports": ports,
        }
        temporary = self.layout.record.with_suffix(".new")
        temporary.write_text(json.dumps(record) + "\n")
        temporary.replace(self.layout.record)


def characters(count: int, faults: Mapping[int, str] = WELL_FLEET) -> Iterable[Character]:
    """`faults` by the number of the node; the last of more than two nodes is slow to answer."""
    for number in range(1, count + 1):
        yield Character(
            delay_s=SLOW_S if number == count and count > 2 else 0.0,
            faults=faults.get(number, ""),
        )


def _described(node: DemoNode) -> dict[str, object]:
    return {"name": node.name, "port": node.port, "state": node.state, "connections": len(node.connections)}


def _earlier_ports(layout: DemoLayout) -> dict[str, int]:
    """The ports of the hosts before us, so that an inventory already loaded stays true."""
    try:
        ports = json.loads(layout.record.read_text())["ports"]
        return {str(name): int(port) for name, port in ports.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _locked(layout: DemoLayout) -> IO[str]:
    """The lock that living hosts hold; the kernel lets go of it however they end."""
    file = layout.lock.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ConflictError(
            Problem(
                "--dir",
                Severity.ERROR,
                _("a demo fleet runs in {path} already").format(path=layout.root),
                _("one directory holds one fleet"),
                _("use it with -i {inventory}, or name another directory").format(inventory=layout.inventory),
            )
        ) from error
    return file
