"""Samples of instruction data: one sequence each, with the labels that preprocessing gave it."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Tuple

import numpy as np
from numpy.typing import NDArray

from backend.node.data.indexed import IndexedDataset
from backend.node.data.samples import shuffled
from backend.node.job_lines import JobError
from backend.node.train.micro_batch import IGNORED

_IDS, _MASK, _LABELS = "input_ids", "attention_mask", "labels"


class InstructionFiles:
    """The three pairs of files `<prefix>_packed_<column>_document`.

    `len` says how many sequences there are. Of the mask only that number counts: it is 1 wherever there is an
    id (in packed sets the id itself), and padding is told by its label. Raises JobError when a pair is not
    whole, or when the three do not belong together."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.ids, mask, self.labels = (
            IndexedDataset(f"{prefix}_packed_{column}_document") for column in (_IDS, _MASK, _LABELS)
        )
        for other in (mask, self.labels):
            if len(other) != len(self.ids):
                what = _("{other} has {found:,} sequences, {ids} has {expected:,}").format(
                    other=other.prefix, found=len(other), ids=self.ids.prefix, expected=len(self.ids)
                )
                raise _apart(what)
        fewer = np.flatnonzero(self.labels.lengths < self.ids.lengths)
        if len(fewer):
            number = int(fewer[0])
            what = _("sequence {number} of {labels} has {found:,} labels for {expected:,} ids").format(
                number=number,
                labels=self.labels.prefix,
                found=int(self.labels.lengths[number]),
                expected=int(self.ids.lengths[number]),
            )
            raise _apart(what)

    def __len__(self) -> int:
        return len(self.ids)

    def pair(self, number: int, seq_length: int) -> Tuple[NDArray[Any], NDArray[Any]]:
        """Tokens and labels of a sequence, cut to `seq_length`: the label of a token is that of its follower.

        Both have the same length, which may be 0. Where the answer is short there are more labels than ids:
        those have no place, and are -100."""
        ids = self.ids[number][: seq_length + 1]
        return ids[:-1], self.labels[number][1 : len(ids)]


class InstructionSamples:
    """Sequences first..last (without last) without end, shuffled anew in every epoch.

    A sample depends on these, `seed` and its number alone. Raises JobError when all labels are -100."""

    def __init__(self, files: InstructionFiles, seq_length: int, seed: int, first: int, last: int) -> None:
        self._files = files
        self._seq_length = seq_length
        self._seed = seed
        self._first = first
        self._count = last - first
        self._epoch = -1
        self._order = shuffled(np.random.default_rng(0), 0)
        if not any(self._teaches(number) for number in range(first, last)):
            raise JobError(
                "data_prefix",
                _("no token of {prefix} is learned: its labels are all -100 within {length:,} tokens").format(
                    prefix=files.labels.prefix, length=seq_length
                ),
                _("the prompts are masked, and no answer is left"),
                _("preprocess the data with the handler of its format, or raise seq_length"),
            )

    def whole_samples(self, epochs: int) -> int:
        """How many samples the first `epochs` epochs have."""
        return epochs * self._count

    def epochs_for(self, count: int) -> int:
        """How many epochs it takes to have `count` samples."""
        return -(-count // self._count)

    def __getitem__(self, index: int) -> Tuple[NDArray[Any], NDArray[Any]]:
        """Tokens and labels of sample `index`, as `InstructionFiles.pair` gives them."""
        epoch, place = divmod(index, self._count)
        if epoch != self._epoch:
            self._order = shuffled(np.random.default_rng([self._seed, epoch]), self._count)
            self._epoch = epoch
        return self._files.pair(self._first + int(self._order[place]), self._seq_length)

    def _teaches(self, number: int) -> bool:
        return bool((self._files.pair(number, self._seq_length)[1] != IGNORED).any())


def _apart(what: str) -> JobError:
    return JobError("data_prefix", what, _("ids, mask and labels belong together"), _("make the data anew"))
