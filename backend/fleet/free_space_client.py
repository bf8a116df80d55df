"""Why a file cannot be written: SFTP says no more than "Failure" of a full disk, so the node is asked."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import NodeError, Problem, Severity
from backend.translation import _

_DF = re.compile(r"\s(\d+)\s+\d+%\s+/")
_LEAST = 1 << 20  # less than this is full: file systems keep some for themselves


async def not_written(transport: Transport, node: Node, path: str, why: str, missing: int) -> NodeError:
    """What to say when the node refused a write to `path` with the words `why`, `missing` bytes before its
    end.
    """
    folder = str(PurePosixPath(path).parent)
    free = await _free(transport, node, folder)
    full = "No space left" in why or (free is not None and free < max(missing, _LEAST))
    room = _("its free space is not known") if free is None else _megabytes(free)
    if full:
        what = _("the disk of {node} at {folder} is full: {room}")
        if missing:
            what = _("the disk of {node} at {folder} is full: {room}, {missing:.1f} MB are still to come")
        fix = _("make room there and give the command again: it goes on where it was")
    else:
        what = _("writing failed on {node} at {folder}: {why} ({room})")
        fix = _("see whether a quota or a limit of file sizes is reached there, and the node's kernel log")
    words = what.format(node=node.name, folder=folder, why=why, room=room, missing=missing / 1e6)
    return NodeError(Problem(node.name, Severity.ERROR, words, "", fix))


def _megabytes(count: int) -> str:
    return _("{size:.1f} MB are free").format(size=count / 1e6)


async def _free(transport: Transport, node: Node, folder: str) -> int | None:
    """Bytes that the user who logs in may still write; None where the node does not say."""
    try:
        done = await transport.run(node, ["df", "-Pk", folder])
    except NodeError:
        return None
    match = _DF.search(done.text())
    return int(match[1]) * 1024 if match else None
