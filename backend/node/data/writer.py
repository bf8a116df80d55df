"""Write Megatron's indexed token files (`.bin` and `.idx`, ids as int32) under temporary names."""

from __future__ import annotations

import contextlib
import os
import zlib
from typing import TYPE_CHECKING, List, Tuple

from backend.node import durable
from backend.node.data.indexed import HEADER, INT32_CODE, MAGIC, VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ITEM = 4
_BUFFER = 1 << 20


class IndexedWriter:
    """One pair of files. Use as a context: after it both are whole on disk, under temporary names.

    `publish` gives them their names. When the block fails nothing stays. Raises OSError.
    """

    def __init__(self, prefix: str) -> None:
        self.bin_path = prefix + ".bin"
        self.index_path = prefix + ".idx"
        self.sequences = 0
        self.documents = 0
        self.tokens = 0
        self._bin_checksum = 0
        self._index_checksum = 0
        self._lengths: List[NDArray[np.int32]] = []
        self._bounds: List[NDArray[np.int64]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> IndexedWriter:
        self._bin = self._stack.enter_context(durable.open_temporary(self.bin_path, _BUFFER))
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            # Inside the stack, so that a failure here also removes the .bin.
            with self._stack:
                self._write_index()
        else:
            self._stack.__exit__(kind, error, trace)  # type: ignore[arg-type]

    def add(
        self, ids: NDArray[np.int32], lengths: NDArray[np.int64], document_ends: NDArray[np.int64]
    ) -> None:
        """Append sequences: their `ids` in one row, int32; `lengths` of each, int64.

        `document_ends`: after how many of these sequences each document closes, int64, ascending; an end that
        repeats the one before is a document without sequences.
        """
        import numpy as np

        raw = np.ascontiguousarray(ids, "<i4").data
        self._bin.write(raw)
        self._bin_checksum = zlib.crc32(raw, self._bin_checksum)
        self._lengths.append(lengths.astype("<i4"))
        self._bounds.append(self.sequences + document_ends)
        self.sequences += len(lengths)
        self.documents += len(document_ends)
        self.tokens += len(ids)

    def checksums(self) -> Tuple[str, str]:
        """CRC-32 of the .bin and of the .idx, eight hexadecimal digits each; known after the context."""
        return f"{self._bin_checksum:08x}", f"{self._index_checksum:08x}"

    def publish(self) -> None:
        """Give both files their names; there is no moment with an old index beside a new .bin."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.index_path)
        durable.publish(self.bin_path)
        durable.publish(self.index_path)

    def discard(self) -> None:
        """Remove both temporary files."""
        for path in (self.bin_path, self.index_path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(durable.temporary_name(path))

    def _write_index(self) -> None:
        import numpy as np

        lengths = np.concatenate([np.empty(0, "<i4"), *self._lengths])
        documents = np.concatenate([np.zeros(1, "<i8"), *self._bounds]).astype("<i8")
        sizes = lengths.astype("<i8") * _ITEM
        offsets = np.cumsum(sizes) - sizes
        with durable.open_temporary(self.index_path, _BUFFER) as stream:
            head = HEADER.pack(MAGIC, VERSION, INT32_CODE, len(lengths), len(documents))
            for part in (head, lengths.astype("<i4").data, offsets.data, documents.data):
                stream.write(part)
                self._index_checksum = zlib.crc32(part, self._index_checksum)
