"""A file as a stream of its unpacked bytes, whether it is stored plain, as gzip or as zstd."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from gettext import gettext as _
from typing import Any, BinaryIO, Callable, Iterator, Tuple, cast

from backend.node.job_lines import JobError

GZIP, ZSTD = "gzip", "zstd"
_MAGIC = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD}
_BUFFER = 1 << 18


def packing(path: str) -> str:
    """How the file is packed, by its first bytes: GZIP, ZSTD, or "" for not at all."""
    with open(path, "rb") as stream:
        head = stream.read(4)
    return next((name for mark, name in _MAGIC.items() if head.startswith(mark)), "")


@contextlib.contextmanager
def open_stream(path: str) -> Iterator[Tuple[BinaryIO, Callable[[], int]]]:
    """The unpacked bytes, and a function that tells how many bytes of the file on disk were read for them.

    Reading raises JobError where the packed data is damaged or cut off."""
    packed = packing(path)
    with open(path, "rb", buffering=_BUFFER) as raw:
        if not packed:
            yield raw, raw.tell
            return
        source = gzip.GzipFile(fileobj=raw) if packed == GZIP else _zstd(raw, path)
        with io.BufferedReader(_Unpacked(source, path), _BUFFER) as stream:
            yield cast("BinaryIO", stream), _place(raw)


def _place(raw: BinaryIO) -> Callable[[], int]:
    """What has been read of `raw`; stays askable after the end, where the zstd reader closes the file."""
    last = 0

    def place() -> int:
        nonlocal last
        if not raw.closed:
            last = raw.tell()
        return last

    return place


def _zstd(raw: BinaryIO, path: str) -> Any:
    try:
        import pyarrow

        return pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, mode="r"), "zstd")
    except (ImportError, NotImplementedError) as error:
        what = _("{path} is packed with zstd, which cannot be unpacked here").format(path=path)
        raise JobError("input", what, str(error), _("unpack it, or install pyarrow")) from error


class _Unpacked(io.RawIOBase):
    """The unpacking readers behind one face, with one error for all that can be wrong with packed data."""

    def __init__(self, source: Any, path: str) -> None:
        self._source = source
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._source.read(len(buffer))
        except (EOFError, OSError, zlib.error) as error:
            what = _("{path} cannot be unpacked").format(path=self._path)
            why = str(error).partition("\n")[0] or _("the file ends too early")
            raise JobError(
                "input", what, why, _("it is damaged or was not copied whole: copy it again")
            ) from error
        buffer[: len(data)] = data
        return len(data)
