"""Training samples of a fixed length, cut from documents that are shuffled anew in every epoch."""

from __future__ import annotations

from collections import OrderedDict
from gettext import gettext as _
from typing import TYPE_CHECKING, List, NamedTuple

from backend.node.data.indexed import IndexedDataset
from backend.node.job_lines import JobError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EPOCHS_KEPT = 2


class _Epoch(NamedTuple):
    """`order`: documents as they follow one another; `ends`: tokens up to the end of each.

    `samples`: order of the samples that start in this epoch, counted from sample `first`.
    """

    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    first: int
    samples: NDArray[np.int64]


class SampleIndex:
    """`num_samples` samples: each an int64 array of `seq_length` + 1 tokens (inputs and shifted labels).

    All epochs make one endless row of tokens, each with its own order of documents; samples are cut from it
    every `seq_length` tokens (so neighbours share one token) and shuffled within their epoch. A sample
    depends only on the data, `seq_length`, `seed` and its number: a run resumes by its count of consumed
    samples, and a longer run starts with the same samples. Raises JobError when there are no tokens."""

    def __init__(self, indexed: IndexedDataset, seq_length: int, seed: int, num_samples: int) -> None:
        import numpy as np

        self._tokens = indexed.tokens
        self._bounds = indexed.document_bounds()
        self._lengths = np.diff(self._bounds)
        self._seq_length = seq_length
        self._seed = seed
        self._num_samples = num_samples
        self._epochs: OrderedDict[int, _Epoch] = OrderedDict()
        if len(self._tokens) == 0:
            raise JobError("data_prefix", _("there are no tokens in {prefix}").format(prefix=indexed.prefix))

    def __len__(self) -> int:
        return self._num_samples

    @property
    def tokens_per_epoch(self) -> int:
        return len(self._tokens)

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        """Sample `index`: int64 [seq_length + 1]. Raises IndexError."""
        import numpy as np

        if not 0 <= index < self._num_samples:
            raise IndexError(index)
        number = index * self._seq_length // self.tokens_per_epoch
        epoch = self._epoch(number)
        place = epoch.first + int(epoch.samples[index - epoch.first])
        start = place * self._seq_length - number * self.tokens_per_epoch
        pieces: List[NDArray[np.int64]] = []
        missing = self._seq_length + 1
        while missing:
            piece = self._read(self._epoch(number), start, missing)
            pieces.append(piece)
            missing -= len(piece)
            number, start = number + 1, 0
        return np.concatenate(pieces)

    def _read(self, epoch: _Epoch, start: int, count: int) -> NDArray[np.int64]:
        """Up to `count` tokens of one epoch from its token `start` on: fewer when the epoch ends."""
        import numpy as np

        count = min(count, self.tokens_per_epoch - start)
        out = np.empty(count, np.int64)
        at = int(np.searchsorted(epoch.ends, start, side="right"))
        filled = 0
        while filled < count:
            document = int(epoch.order[at])
            skip = start + filled - int(epoch.ends[at] - self._lengths[document])
            take = min(count - filled, int(self._lengths[document]) - skip)
            source = int(self._bounds[document]) + skip
            out[filled : filled + take] = self._tokens[source : source + take]
            filled += take
            at += 1
        return out

    def _epoch(self, number: int) -> _Epoch:
        """The orders of one epoch; the last few are kept, because a sample may reach into the next epoch."""
        import numpy as np

        if number in self._epochs:
            self._epochs.move_to_end(number)
            return self._epochs[number]
        chance = np.random.default_rng([self._seed, number])
        order = chance.permutation(len(self._lengths))
        first = -(-number * self.tokens_per_epoch // self._seq_length)
        after = -(-(number + 1) * self.tokens_per_epoch // self._seq_length)
        epoch = _Epoch(order, np.cumsum(self._lengths[order]), first, chance.permutation(after - first))
        self._epochs[number] = epoch
        if len(self._epochs) > _EPOCHS_KEPT:
            self._epochs.popitem(last=False)
        return epoch
