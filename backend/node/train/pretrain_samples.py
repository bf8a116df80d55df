"""Samples of pretraining data: every token is learned."""

from __future__ import annotations

from typing import Any, Tuple

from numpy.typing import NDArray

from backend.node.data.indexed import IndexedDataset
from backend.node.data.samples import SampleIndex


class PretrainFiles:
    """The pair `<prefix>.bin` and `<prefix>.idx`; `len` says how many documents there are.

    Raises JobError when it is not whole."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.indexed = IndexedDataset(prefix)

    def __len__(self) -> int:
        return len(self.indexed.documents) - 1


class PretrainSamples:
    """Samples of documents first..last (without last) without end, as `SampleIndex` cuts and shuffles them.

    Raises JobError when there are no tokens."""

    def __init__(self, files: PretrainFiles, seq_length: int, seed: int, first: int, last: int) -> None:
        self._samples = SampleIndex(files.indexed, seq_length, seed, first, last)

    def whole_samples(self, epochs: int) -> int:
        """How many samples lie wholly in the first `epochs` epochs."""
        return self._samples.whole_samples(epochs)

    def epochs_for(self, count: int) -> int:
        """How many epochs it takes to have `count` samples."""
        return self._samples.epochs_for(count)

    def __getitem__(self, index: int) -> Tuple[NDArray[Any], NDArray[Any]]:
        """Tokens and labels of sample `index`: [seq_length] each."""
        row = self._samples[index]
        return row[:-1], row[1:]
