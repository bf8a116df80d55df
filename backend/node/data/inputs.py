"""Which files a data job reads, and of which kind each is: by its name, and by its content when the name
lies."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Dict, List

from backend.node.job_lines import JobError

JSON_LINES = "JSON lines"
JSON_VALUES = "JSON values"
PARQUET = "parquet"
CSV = "CSV"
TEXT = "text"

_SUFFIXES = {"json": JSON_LINES, "jsonl": JSON_LINES, "parquet": PARQUET, "csv": CSV, "txt": TEXT}
_HEAD = 64 * 1024
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def find_inputs(path: str) -> List[str]:
    """The files of the job, in reading order. Raises JobError.

    A folder stands for its files (one level) of the most frequent known suffix, in the order of their names:
    the reference reads them in whatever order the file system lists them, which cannot be repeated."""
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        raise JobError("input", _("no such file: {path}").format(path=path))
    by_suffix: Dict[str, List[str]] = {}
    names = sorted(name for name in os.listdir(path) if not name.startswith("."))
    for name in names:
        suffix = name.rpartition(".")[2]
        if suffix in _SUFFIXES and "." in name and os.path.isfile(os.path.join(path, name)):
            by_suffix.setdefault(suffix, []).append(os.path.join(path, name))
    if not by_suffix:
        what = _("no training data in {path}").format(path=path)
        why = _("found: {names}").format(names=", ".join(names[:12]) or _("nothing"))
        raise JobError("input", what, why, _("the files end in one of {suffixes}").format(suffixes=_known()))
    return max(by_suffix.values(), key=len)


def kind_of(path: str) -> str:
    """How to read the file: one of the names above. Raises JobError for a file of no known kind."""
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        raise JobError("input", _("{path} is empty").format(path=path), _("there are no rows in it"))
    for mark, name in _PACKED.items():
        if head.startswith(mark):
            what = _("{path} is packed with {name}").format(path=path, name=name)
            raise JobError("input", what, "", _("unpack it first"))
    if head.startswith(b"PAR1"):
        return PARQUET
    by_name = _SUFFIXES.get(os.path.basename(path).rpartition(".")[2])
    if by_name in (TEXT, CSV):
        return by_name
    return _json_kind(path, head)


def _json_kind(path: str, head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"["):
        return JSON_VALUES
    if start.startswith(b"{"):
        first, newline, _rest = start.partition(b"\n")
        # An object over several lines is one record; a record a line ends where its line does.
        return JSON_VALUES if newline and not first.rstrip().endswith(b"}") else JSON_LINES
    what = _("{path} is not training data of a known kind").format(path=path)
    why = _("it starts with {start}").format(start=ascii(head[:16])[1:])
    raise JobError(
        "input", what, why, _("give a file that ends in one of {suffixes}").format(suffixes=_known())
    )


def _known() -> str:
    return ", ".join("." + suffix for suffix in _SUFFIXES)
