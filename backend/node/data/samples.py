"""Training samples of a fixed length, cut from documents that are shuffled anew in every epoch."""

from __future__ import annotations

from collections import OrderedDict
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

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

    order: NDArray[Any]
    ends: NDArray[np.int64]
    first: int
    samples: NDArray[Any]


class SampleIndex:
    """Samples without end: each an int64 array of `seq_length` + 1 tokens (inputs and shifted labels).

    Only documents first..last (without last; to the end when None) are used. All epochs make one endless row
    of tokens, each with its own order of documents; samples are cut from it every `seq_length` tokens (so
    neighbours share one token) and shuffled within their epoch. A sample depends only on these documents,
    `seq_length`, `seed` and its number: a run resumes by its count of consumed samples, and a longer run
    starts with the same samples. Raises JobError when there are no tokens."""

    def __init__(
        self, indexed: IndexedDataset, seq_length: int, seed: int, first: int = 0, last: Optional[int] = None
    ) -> None:
        self._tokens = indexed.tokens
        self._bounds = indexed.document_bounds(first, last)
        self._seq_length = seq_length
        self._seed = seed
        self._epochs: OrderedDict[int, _Epoch] = OrderedDict()
        self.tokens_per_epoch = int(self._bounds[-1] - self._bounds[0]) if len(self._bounds) else 0
        if self.tokens_per_epoch == 0:
            raise JobError("data_prefix", _("there are no tokens in {prefix}").format(prefix=indexed.prefix))

    def whole_samples(self, epochs: int) -> int:
        """How many samples lie wholly, with the token that follows them, in the first `epochs` epochs."""
        return (epochs * self.tokens_per_epoch - 1) // self._seq_length

    def epochs_for(self, count: int) -> int:
        """How many epochs `count` samples take, so that `whole_samples` of them is at least `count`."""
        return -(-(count * self._seq_length + 1) // self.tokens_per_epoch)

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        """Sample `index`: int64 [seq_length + 1]. Raises IndexError below 0."""
        import numpy as np

        if index < 0:
            raise IndexError(index)
        number = index * self._seq_length // self.tokens_per_epoch
        epoch = self._epoch(number)
        place = epoch.first + int(epoch.samples[index - epoch.first])
        start = place * self._seq_length - number * self.tokens_per_epoch
        out = np.empty(self._seq_length + 1, np.int64)
        filled = 0
        while filled < len(out):
            filled += self._read(self._epoch(number), start, out[filled:])
            number, start = number + 1, 0
        return out

    def _read(self, epoch: _Epoch, start: int, out: NDArray[np.int64]) -> int:
        """Put tokens of one epoch from its token `start` on into `out`; how many: fewer when it ends."""
        import numpy as np

        count = min(len(out), self.tokens_per_epoch - start)
        at = int(np.searchsorted(epoch.ends, start, side="right"))
        filled = 0
        while filled < count:
            document = int(epoch.order[at])
            end = int(self._bounds[document + 1])
            source = end - (int(epoch.ends[at]) - start - filled)
            take = min(count - filled, end - source)
            out[filled : filled + take] = self._tokens[source : source + take]
            filled += take
            at += 1
        return count

    def _epoch(self, number: int) -> _Epoch:
        """The orders of one epoch; the last few are kept, because a sample may reach into the next epoch."""
        import numpy as np

        if number in self._epochs:
            self._epochs.move_to_end(number)
            return self._epochs[number]
        chance = np.random.default_rng([self._seed, number])
        order = shuffled(chance, len(self._bounds) - 1)
        first = -(-number * self.tokens_per_epoch // self._seq_length)
        after = -(-(number + 1) * self.tokens_per_epoch // self._seq_length)
        ends = np.cumsum(np.diff(self._bounds)[order])
        epoch = _Epoch(order, ends, first, shuffled(chance, after - first))
        self._epochs[number] = epoch
        if len(self._epochs) > _EPOCHS_KEPT:
            self._epochs.popitem(last=False)
        return epoch


def shuffled(chance: np.random.Generator, count: int) -> NDArray[Any]:
    """0 .. `count` - 1 in random order, in the smaller of int32 and int64 that holds them."""
    import numpy as np

    order = np.arange(count, dtype=np.int32 if count <= np.iinfo(np.int32).max else np.int64)
    chance.shuffle(order)
    return order
