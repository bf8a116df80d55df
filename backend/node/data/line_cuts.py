"""Raw bytes cut into pieces of whole lines, without looking at what the lines say."""

from __future__ import annotations

from typing import BinaryIO, Iterator, List


def cut_lines(stream: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    """Pieces of about `block_bytes`, each up to the end of a line ("\\n"); the last may lack its end."""
    while True:
        raw = stream.read(block_bytes)
        if not raw:
            return
        yield raw if raw.endswith(b"\n") else raw + stream.readline()


def cut_universal_lines(stream: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    """The same where "\\r" ends a line too; a "\\r\\n" is never cut in two."""
    waiting: List[bytes] = []
    while True:
        raw = stream.read(block_bytes)
        while raw.endswith(b"\r"):
            more = stream.read(1)
            if not more:
                break
            raw += more
        if not raw:
            break
        cut = max(raw.rfind(b"\n"), raw.rfind(b"\r")) + 1
        if cut:
            yield b"".join([*waiting, raw[:cut]])
            waiting = []
        waiting.append(raw[cut:])
    rest = b"".join(waiting)
    if rest:
        yield rest
