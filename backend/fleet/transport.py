"""The seam between the house and its nodes: real SSH, a recording, or a test stand behind one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from backend.inventory import Node

# what libc says, in the words of strerror(3): the reason stands there, whatever tools add after it
_CAUSES = (
    "No space left on device",
    "Permission denied",
    "Read-only file system",
    "Disk quota exceeded",
    "Cannot allocate memory",
    "Input/output error",
    "Stale file handle",
)


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended. `exit_code` is negative for a signal; output is raw bytes."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    def text(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    def complaint(self) -> str:
        """What went wrong: the line that names a cause, else the last one, else the exit code."""
        for stream in (self.stderr, self.stdout):
            lines = [line.strip() for line in stream.decode("utf-8", "replace").splitlines() if line.strip()]
            if lines:
                return next((line for line in lines if any(cause in line for cause in _CAUSES)), lines[-1])
        return f"exit code {self.exit_code}"


class Channel(Protocol):
    """A running remote command: bytes out, bytes in."""

    async def readline(self) -> bytes:
        """Up to and with a newline; b"" at the end."""
        ...

    async def readexactly(self, count: int) -> bytes:
        """Raises `NodeUnreachableError` when the stream ends before."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def close(self) -> None:
        """End the remote command: its stdin is closed. Safe to call twice."""
        ...


class Transport(Protocol):
    """One persistent connection a node, opened when first needed and again after a loss.

    Every call has a deadline and raises `NodeUnreachableError` (no answer, link lost) or `HostKeyError`.
    `argv` is quoted here and nowhere else.
    """

    async def run(
        self,
        node: Node,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float = 15.0,
    ) -> Completed: ...

    async def open(self, node: Node, argv: Sequence[str], *, timeout_s: float = 15.0) -> Channel: ...

    async def close(self) -> None: ...
