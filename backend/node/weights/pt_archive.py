"""The zip archive of a torch file: where the bytes of every storage lie."""

from __future__ import annotations

import struct
import zipfile
from gettext import gettext as _
from typing import Any, Dict, Tuple

from backend.node.weights.pt_allowed import Refused
from backend.node.weights.pt_pickle import read_pickle
from backend.node.weights.tensor_file import TensorFile

_MAX_PICKLE = 64 << 20
_MAX_WORD = 64
# OSError: zipfile follows a place before the start of the file, which was opened and read already.
_DAMAGED = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OSError,
    struct.error,
)
_LOCAL_HEADER = 30
_LOCAL_MARK = b"PK\x03\x04"


class PtArchive:
    """`content`: what data.pkl holds, as `read_pickle` answers it; its checksum was compared. Raises
    Refused or OSError."""

    def __init__(self, path: str, file: TensorFile) -> None:
        self._file = file
        try:
            self._open(path)
        except Refused:
            raise
        except _DAMAGED as error:
            text = _("it is not a zip file of torch, or is truncated ({reason})")
            raise Refused(text.format(reason=error)) from error

    def storage(self, key: str) -> Tuple[int, int]:
        """First byte in the file, and size in bytes, of the storage `key`."""
        info = self._members.get(f"{self._folder}/data/{key}")
        if info is None:
            raise Refused(_("the storage {key} is missing").format(key=key))
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise Refused(_("the storage {key} is compressed or encrypted").format(key=key))
        header = self._file.read(info.header_offset, _LOCAL_HEADER)
        if info.header_offset < 0 or len(header) < _LOCAL_HEADER or not header.startswith(_LOCAL_MARK):
            raise Refused(_("the storage {key} is not where the archive says").format(key=key))
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        start = info.header_offset + _LOCAL_HEADER + names
        if start + info.file_size > self._file.size:
            raise Refused(_("the storage {key} reaches beyond the file").format(key=key))
        return start, info.file_size

    def _open(self, path: str) -> None:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            self._members: Dict[str, zipfile.ZipInfo] = {entry.filename: entry for entry in entries}
            if len(self._members) != len(entries):
                raise Refused(_("two members of the archive have one name"))
            pickles = [name for name in self._members if name.endswith("/data.pkl") and name.count("/") == 1]
            if len(pickles) != 1:
                raise Refused(_("there is no data.pkl in it"))
            self._folder = pickles[0].partition("/")[0]
            if self._members[pickles[0]].file_size > _MAX_PICKLE:
                raise Refused(_("its data.pkl is far larger than that of a model"))
            order = self._members.get(f"{self._folder}/byteorder")
            if order and (order.file_size > _MAX_WORD or archive.read(order).strip() != b"little"):
                raise Refused(_("its numbers are in the byte order of another machine"))
            self.content: Any = read_pickle(archive.read(pickles[0]))
