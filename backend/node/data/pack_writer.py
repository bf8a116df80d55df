"""Samples collected on disk, then packed into sequences of one length: memory follows their number, not their
text."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING, Dict, List

from backend.node.data.packing import batched, bins
from backend.node.data.ragged import Ragged, put, starts
from backend.node.data.writer import IndexedWriter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What the rest of a packed sequence is filled with (the reference's fixed values, whatever the tokenizer).
PADDING = {"input_ids": 0, "attention_mask": 1, "labels": -100}
_TOKENS_AT_ONCE = 1 << 20


class PackWriter:
    """Every output holds the input ids; only the padding differs. Use as a context. Raises OSError."""

    def __init__(self, writers: Dict[str, IndexedWriter], seq_length: int, directory: str) -> None:
        self._writers = writers
        self._seq_length = seq_length
        self._directory = directory
        self._stack = contextlib.ExitStack()
        self._lengths: List[NDArray[np.int64]] = []

    def __enter__(self) -> PackWriter:
        # Without a name: nothing is left behind however the process ends.
        self._spool = self._stack.enter_context(tempfile.TemporaryFile(dir=self._directory))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, samples: Ragged) -> None:
        """Samples of at most `seq_length` ids."""
        self._spool.write(samples.flat.astype("<i4").data)
        self._lengths.append(samples.lengths)

    def end_subset(self) -> None:
        """Pack what has come since the last subset."""
        import numpy as np

        lengths = np.concatenate([np.empty(0, np.int64), *self._lengths])
        self._lengths = []
        if len(lengths):
            self._spool.flush()
            spooled = np.memmap(self._spool, "<i4", "r") if lengths.sum() else np.empty(0, np.int32)
            self._pack(spooled, lengths)
            del spooled
        self._spool.seek(0)
        self._spool.truncate()

    def _pack(self, spooled: NDArray[np.int32], lengths: NDArray[np.int64]) -> None:
        import numpy as np

        begins = starts(lengths)
        at_once = max(1, _TOKENS_AT_ONCE // self._seq_length)
        for samples, bin_of in batched(bins(lengths, self._seq_length), at_once):
            count = int(bin_of[-1]) + 1
            sizes = lengths[samples]
            before = starts(sizes)
            first_of_bin = np.searchsorted(bin_of, np.arange(count))
            place = bin_of * self._seq_length + before - before[first_of_bin][bin_of]
            source = np.repeat(begins[samples] - before, sizes) + np.arange(int(sizes.sum()))
            ids = Ragged(spooled[source], sizes)
            for output, writer in self._writers.items():
                flat = np.full(count * self._seq_length, PADDING[output], np.int32)
                put(flat, place, ids)
                writer.add(flat, np.full(count, self._seq_length), np.arange(1, count + 1))


def free_bytes(directory: str) -> int:
    """Bytes that this user may still write on the file system of `directory`."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
