"""The handle of a living demo fleet: a Unix socket that takes one line and answers one line.

    cut demo-2        drop its connections and refuse new ones; its processes live on
    poweroff demo-2   the same, and kill its processes
    heal demo-2       let it be reached again
    faults demo-2 F   its NPUs show F from now on: 1=critical,0=link (npu_faults.py); nothing: they are well
    ill               every node shows something: what npudeck says of it can be seen
    status            JSON: {"pid": 1, "nodes": [{"name", "port", "state": "up|cut|off", "connections"}]}
    stop              end the hosts and everything that runs on them

The answer is `ok`, the JSON, or `error: …`. The socket's path stands in hosts.json ("control"): it is
DIR/control.sock unless that is longer than a Unix socket may be called.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from backend.demo.demo_layout import DemoLayout

Answer = Callable[[str], Awaitable[str]]
# sun_path holds 108 bytes on Linux and 104 on macOS, with the final zero
LONGEST_PATH = 100


def control_path(layout: DemoLayout) -> Path:
    """Where the socket of new hosts goes."""
    path = layout.root / "control.sock"
    if len(os.fsencode(path)) <= LONGEST_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="npudeck-")) / "control.sock"


async def serve_control(path: Path, answer: Answer) -> asyncio.Server:
    """Listen; only the owner of the fleet may connect."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = (await reader.readline()).decode("utf-8", "replace").strip()
            writer.write((await answer(line)).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError):
            return
        finally:
            writer.close()

    return await asyncio.start_unix_server(converse, sock=_bound(path))


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    path.unlink(missing_ok=True)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


def ask(layout: DemoLayout, line: str, timeout_s: float = 5.0) -> str:
    """One line to the living hosts, one line back; "" when no hosts live here."""
    try:
        path = json.loads(layout.record.read_text())["control"]
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(timeout_s)
            client.connect(path)
            client.sendall(line.encode() + b"\n")
            with client.makefile(encoding="utf-8") as answer:
                return answer.readline().strip()
    except (OSError, ValueError, KeyError, TypeError):
        return ""
