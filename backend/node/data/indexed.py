"""Read Megatron's indexed token files: `.bin` holds the ids, `.idx` says where each sequence is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Optional

from backend.node.data.index_faults import (
    HEADER,
    INT32_CODE,
    MAGIC,
    VERSION,
    broken,
    find_faults,
    read_index,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HEADER", "INT32_CODE", "MAGIC", "VERSION", "IndexedDataset"]


class IndexedDataset:
    """The pair `<prefix>.bin` and `<prefix>.idx`, mapped, never read whole.

    `lengths`: int32, tokens of each of the N sequences. `offsets`: int64, byte offset of each in the .bin.
    `documents`: int64, first sequence of each document and N at the end (documents + 1 entries).
    `tokens`: all ids in file order, in the file's own dtype. Raises JobError when the pair is not whole.
    """

    lengths: NDArray[np.int32]
    offsets: NDArray[np.int64]
    documents: NDArray[np.int64]
    tokens: NDArray[Any]

    def __init__(self, prefix: str) -> None:
        import numpy as np

        self.prefix = prefix
        index = read_index(prefix)
        size = os.path.getsize(prefix + ".bin")
        for fault in find_faults(index._replace(surplus=0), size):
            raise broken(prefix, fault.what)
        self.lengths, self.offsets, self.documents = index.lengths, index.offsets, index.documents
        # An empty file cannot be mapped.
        self.tokens = (
            np.memmap(prefix + ".bin", dtype=index.dtype, mode="r") if size else np.empty(0, index.dtype)
        )

    def __len__(self) -> int:
        """How many sequences there are."""
        return len(self.lengths)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """The ids of one sequence, a view of the mapped file. Raises IndexError."""
        start = int(self.offsets[index]) // self.tokens.dtype.itemsize
        return self.tokens[start : start + int(self.lengths[index])]

    def span(self, first: int, last: int) -> NDArray[Any]:
        """The ids of sequences first..last (without last), one after the other: a view of the mapped file."""
        if first >= last:
            return self.tokens[:0]
        itemsize = self.tokens.dtype.itemsize
        end = int(self.offsets[last - 1]) // itemsize + int(self.lengths[last - 1])
        return self.tokens[int(self.offsets[first]) // itemsize : end]

    def sequence_at(self, token: int) -> int:
        """Which sequence the id at place `token` of `tokens` belongs to."""
        import numpy as np

        return int(np.searchsorted(self.offsets, token * self.tokens.dtype.itemsize, side="right")) - 1

    def document_at(self, sequence: int) -> int:
        """Which document a sequence belongs to."""
        import numpy as np

        return int(np.searchsorted(self.documents, sequence, side="right")) - 1

    def document_bounds(self, first: int = 0, last: Optional[int] = None) -> NDArray[np.int64]:
        """Where documents first..last (without last; to the end when None) start in `tokens`, and where the
        last of them ends: int64 [documents + 1]."""
        import numpy as np

        wanted = self.documents[first : None if last is None else last + 1]
        bounds = np.full(len(wanted), len(self.tokens), np.int64)
        inside = wanted < len(self)
        bounds[inside] = self.offsets[wanted[inside]] // self.tokens.dtype.itemsize
        return bounds
