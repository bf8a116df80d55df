"""Lines of a run's mirrored logs, for windows."""

from __future__ import annotations

from backend.live.desk import LogChunk, LogSource
from backend.runs.log_mirror_files import LogMirror
from backend.store.state_directory_files import run_directory

_STAGES = ("train", "export", "weights", "data")


def log_sources(run_id: str) -> tuple[LogSource, ...]:
    """Every log that has a mirror: training first, nodes by name."""
    root = run_directory(run_id) / "logs"
    return tuple(
        LogSource(f"{stage}/{node.name}", node.name, stage)
        for stage in _STAGES
        if (root / stage).is_dir()
        for node in sorted((root / stage).iterdir())
    )


def read_lines(run_id: str, source: str, offset: int, limit: int) -> LogChunk:
    """Whole lines from a byte offset; a negative one counts from the end, then begins at a line."""
    stage, _slash, node = source.partition("/")
    root = run_directory(run_id) / "logs" / stage / node
    if not root.is_dir():
        return LogChunk((), max(offset, 0), max(offset, 0))
    mirror = LogMirror(root)
    start = offset
    if offset < 0:
        start = max(0, mirror.size + offset)
        if start:
            head = mirror.read(start - 1, limit)
            newline = head.find(b"\n")
            start = start + newline if newline >= 0 else start
    data = mirror.read(start, limit)
    end = data.rfind(b"\n") + 1
    if not end and len(data) >= limit:
        end = len(data)
    text = data[:end].decode("utf-8", "replace")
    return LogChunk(
        tuple(text.split("\n")[:-1] if text.endswith("\n") else text.split("\n") if text else ()),
        start,
        start + end,
    )
