"""Follow one log on one node into its mirror, for as long as it takes: links may come and go.

Frames of `follow.py`: one JSON line {"k": "d"|"g"|"h", …}, for "d" followed by n raw bytes.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

from backend.fleet.transport import Channel, Transport
from backend.inventory import Node
from backend.problems import NodeError, NodeUnreachableError
from backend.runs.log_mirror_files import LogMirror

SILENCE_S = 15.0
_LONGEST_PAUSE_S = 8.0


class LogTail:
    """One log's follower. `on_data(mirror)` is called after bytes were appended, `on_gap(why)` for a gap."""

    def __init__(
        self,
        transport: Transport,
        node: Node,
        follower: str,
        remote_path: str,
        mirror: LogMirror,
        on_data: Callable[[LogMirror], None],
        on_gap: Callable[[str], None],
    ) -> None:
        self._transport = transport
        self._node = node
        self._follower = follower
        self._remote_path = remote_path
        self.mirror = mirror
        self._on_data = on_data
        self._on_gap = on_gap

    async def follow(self) -> None:
        """Until cancelled. A lost link is tried again with growing pauses; nothing is read twice."""
        pause = 0.5
        while True:
            try:
                if await self._follow_once():
                    pause = 0.5
            except (NodeError, ValueError, TimeoutError):
                pass
            await asyncio.sleep(pause * (0.75 + random.random() / 2))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _follow_once(self) -> bool:
        """One channel's life; did it bring anything?"""
        question = json.dumps({"files": {self._remote_path: self.mirror.cursor()}, "poll": 0.2})
        channel = await self._transport.open(self._node, [self._node.python, "-u", self._follower, question])
        heard = False
        try:
            while True:
                header = await asyncio.wait_for(channel.readline(), SILENCE_S)
                if not header:
                    return heard
                await self._take(json.loads(header), channel)
                heard = True
        finally:
            await channel.close()

    async def _take(self, frame: dict[str, Any], channel: Channel) -> None:
        if frame["k"] == "g":
            if frame["why"] in ("lost", "truncated"):
                self._on_gap(str(frame["why"]))
            self.mirror.begin_generation(int(frame["i"]))
        elif frame["k"] == "d":
            data = await asyncio.wait_for(channel.readexactly(int(frame["n"])), SILENCE_S)
            self.mirror.append(int(frame["o"]), data)
            self._on_data(self.mirror)


async def remote_size(transport: Transport, node: Node, path: str) -> int:
    """Bytes of a file on a node; 0 when it does not exist."""
    done = await transport.run(node, ["stat", "-c", "%s", path])
    if not done.ok:
        return 0
    try:
        return int(done.text())
    except ValueError as error:
        raise NodeUnreachableError.because(f"{node.name}: stat answered {done.text()!r}") from error
