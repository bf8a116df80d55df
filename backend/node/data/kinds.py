"""Of which kind a training data file is: by its content, and by its name where the content leaves it open."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import Optional, Tuple

from backend.node.data.packed_stream import open_stream
from backend.node.job_lines import JobError

JSON_LINES = "JSON lines"
JSON_VALUES = "JSON values"
PARQUET = "parquet"
CSV = "CSV"
TEXT = "text"

INDEX_MAGIC = b"MMIDIDX\x00\x00"
UTF8_BOM = b"\xef\xbb\xbf"

SUFFIXES = {"json": JSON_LINES, "jsonl": JSON_LINES, "parquet": PARQUET, "csv": CSV, "txt": TEXT}
PACKED_SUFFIXES = ("gz", "zst")
_HEAD = 64 * 1024

# First bytes of what is often met beside training data, and cannot be read as such.
_STRANGERS = (
    (INDEX_MAGIC, "index"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"{\x00", "utf-16"),
    (b"[\x00", "utf-16"),
    (b"\x00{", "utf-16"),
    (b"\x00[", "utf-16"),
    (b"PK\x03\x04", "zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x93NUMPY", "numpy"),
    (b"SQLite format 3", "sqlite"),
    (b"%PDF", "pdf"),
    (b"\x89HDF", "hdf5"),
    (b"version https://git-lfs", "lfs"),
)


def suffix_of(path: str) -> str:
    """The part of the name that tells the kind: "jsonl" of `a.jsonl` and of `a.jsonl.gz`; "" without one."""
    stem, _dot, suffix = os.path.basename(path).rpartition(".")
    if suffix in PACKED_SUFFIXES:
        stem, _dot, suffix = stem.rpartition(".")
    return suffix if stem else ""


def known_suffixes() -> str:
    """For messages: ".json, .jsonl, ..."."""
    return ", ".join("." + suffix for suffix in SUFFIXES)


def kind_of(path: str) -> str:
    """How to read the file: one of the names above. Raises JobError for a file of no known kind.

    A name that ends in .txt makes any text plain text, as it does for the reference."""
    with open_stream(path) as (stream, _done):
        head = stream.read(_HEAD)
    if not head:
        raise JobError("input", _("{path} is empty").format(path=path), _("there are no rows in it"))
    if head.startswith(b"PAR1"):
        return PARQUET
    _refuse_strangers(path, head)
    by_name = SUFFIXES.get(suffix_of(path), "")
    kind = _json_kind(head) if by_name != TEXT else None
    if by_name == CSV and not _starts_with_object(head):
        kind = CSV
    if by_name == JSON_LINES and kind is None and any(line.startswith(b"{") for line in head.split(b"\n")):
        # Only its first line is broken.
        kind = JSON_LINES
    if kind or by_name == TEXT:
        return kind or TEXT
    if not head.lstrip(UTF8_BOM + b" \t\r\n"):
        raise JobError("input", _("{path} is blank").format(path=path), _("there are no rows in it"))
    raise _unknown(path, head)


def _refuse_strangers(path: str, head: bytes) -> None:
    for mark, name in _STRANGERS:
        if head.startswith(mark):
            what = _("{path} cannot be read as training data").format(path=path)
            raise JobError("input", what, *_words(name))


def _words(stranger: str) -> Tuple[str, str]:
    """What the file seems to be, and what to do about it."""
    if stranger == "index":
        return _("it is the index of preprocessed data"), _("give its prefix to the training itself")
    if stranger == "arrow":
        return _("it looks like an Arrow file"), _("save it as parquet")
    if stranger == "lfs":
        return _("it is a pointer of Git LFS, not the data itself"), _("fetch it with git lfs pull")
    if stranger in ("utf-16", "utf-32"):
        return _("it looks like {name} text").format(name=stranger.upper()), _("convert it to UTF-8")
    if stranger in ("zip", "bzip2", "xz", "lz4"):
        return _("it is packed with {name}").format(name=stranger), _("unpack it, or pack it with gzip")
    names = {"numpy": "NumPy", "sqlite": "SQLite", "pdf": "PDF", "hdf5": "HDF5"}
    why = _("it looks like a {name} file").format(name=names[stranger])
    return why, _("give a file that ends in one of {suffixes}").format(suffixes=known_suffixes())


def _unknown(path: str, head: bytes) -> JobError:
    what = _("{path} is not training data of a known kind").format(path=path)
    why = _("it starts with {start}").format(start=ascii(head[:16])[1:])
    fix = _("give a file that ends in one of {suffixes}").format(suffixes=known_suffixes())
    return JobError("input", what, why, fix)


def _first_line(head: bytes) -> str:
    """The first line that is not blank, from its first mark on; "" where the head has none."""
    start = head[len(UTF8_BOM) :] if head.startswith(UTF8_BOM) else head
    return start.lstrip(b" \t\r\n").partition(b"\n")[0].decode("utf-8", "replace").rstrip()


def _starts_with_object(head: bytes) -> bool:
    try:
        return isinstance(json.loads(_first_line(head)), dict)
    except (ValueError, RecursionError):
        return False


def _json_kind(head: bytes) -> Optional[str]:
    line = _first_line(head)
    if line.startswith("["):
        return JSON_VALUES
    if not line.startswith("{"):
        return None
    whole = len(head) < _HEAD or b"\n" in head.lstrip(UTF8_BOM + b" \t\r\n")
    return JSON_VALUES if _goes_on(line, whole) else JSON_LINES


def _goes_on(line: str, whole: bool) -> bool:
    """Whether the record does not end with its line: it goes on in the next, or another one follows it.
    `whole`: the line is here to its end."""
    try:
        _value, end = json.JSONDecoder().raw_decode(line)
    except json.JSONDecodeError as error:
        # Inside a string no line may end, so a record that is cut there is broken and not laid out.
        return whole and error.pos >= len(line) and not error.msg.startswith(("Unterminated", "Invalid"))
    except (ValueError, RecursionError):
        return False
    return line[end:].lstrip().startswith("{")
