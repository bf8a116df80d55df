"""What a result was made from, beside the result: an unchanged job is not done twice, a changed one is
seen."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Dict, List, Optional, Sequence

from backend.node import durable

FORMAT = 1
_PIECE = 64 * 1024


def describe_file(path: str) -> Dict[str, Any]:
    """`{"path", "size", "mtime_ns", "fingerprint"}` of a file. Raises OSError.

    The fingerprint is SHA-256 over the size and 64 KiB at the start, the middle and the end: it finds another
    file under the same name without reading hundreds of gigabytes.
    """
    status = os.stat(path)
    digest = hashlib.sha256(str(status.st_size).encode())
    with open(path, "rb") as stream:
        for place in (0, status.st_size // 2, max(0, status.st_size - _PIECE)):
            stream.seek(place)
            digest.update(stream.read(_PIECE))
    return {
        "path": path,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "fingerprint": digest.hexdigest(),
    }


def describe_output(path: str, root: str) -> Dict[str, Any]:
    """`{"path" relative to root, "size", "mtime_ns"}` of a file that a job has written. Raises OSError."""
    status = os.stat(path)
    return {"path": os.path.relpath(path, root), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def read(path: str) -> Optional[Dict[str, Any]]:
    """The manifest at `path`; None when there is none that this version can read."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return None
    ours = isinstance(found, dict) and found.get("format") == FORMAT and "made_from" in found
    return found if ours else None


def write(
    path: str,
    made_from: Dict[str, Any],
    counts: Dict[str, Any],
    outputs: Sequence[str],
    versions: Dict[str, str],
    details: Optional[Dict[str, Any]] = None,
) -> Dict[str, Any]:
    """Write the manifest, last of all, and answer its content: `made_from` decides what counts as unchanged,
    `details` are for people. Raises OSError."""
    root = os.path.dirname(path)
    content: Dict[str, Any] = {
        "format": FORMAT,
        "made_from": made_from,
        "counts": counts,
        "outputs": [describe_output(output, root) for output in outputs],
        "versions": versions,
        **(details or {}),
    }
    durable.write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return content


def is_current(found: Optional[Dict[str, Any]], made_from: Dict[str, Any], root: str) -> bool:
    """Whether the outputs that `found` lists are there, unchanged, and were made from the same things."""
    # Through JSON and back, so that tuples and lists compare equal.
    if found is None or found.get("made_from") != json.loads(json.dumps(made_from)):
        return False
    outputs: List[Dict[str, Any]] = found.get("outputs") or []
    return bool(outputs) and all(_is_unchanged(os.path.join(root, one["path"]), one) for one in outputs)


def _is_unchanged(path: str, written: Dict[str, Any]) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    # Manifests of earlier versions have no time.
    return status.st_size == written["size"] and written.get("mtime_ns") in (None, status.st_mtime_ns)
