"""Encoded blocks, in order, to the output files: groups of rows, over-long sequences, counts."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, Sequence

from backend.node.data.groups import GROUP, overlong
from backend.node.data.handlers.handler import Encoded, Part
from backend.node.data.pack_writer import PackWriter
from backend.node.data.ragged import Ragged, join, take
from backend.node.data.writer import IndexedWriter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LISTED = 1000


class Tally:
    """What has been counted. `longest_record`: number of the record (from 1, over all inputs) that has the
    longest sequence; `long_records`: the first of those that were dropped for their length."""

    def __init__(self) -> None:
        self.records = 0
        self.kept = 0
        self.empty = 0
        self.dropped = 0
        self.longest = 0
        self.longest_record = 0
        self.longest_kept = 0
        self.tokens = 0
        self.bad = 0
        self.skipped = 0
        self.long_records: List[Dict[str, int]] = []

    def counts(self, writers: Sequence[IndexedWriter]) -> Dict[str, Any]:
        """Everything as plain values; `writers`: those whose sequences count, one of several that hold the
        same samples."""
        names = (
            "records",
            "kept",
            "empty",
            "dropped",
            "longest",
            "longest_record",
            "longest_kept",
            "tokens",
            "bad",
            "skipped",
        )
        found: Dict[str, Any] = {name: getattr(self, name) for name in names}
        found["sequences"] = sum(writer.sequences for writer in writers)
        found["documents"] = sum(writer.documents for writer in writers)
        return found


class _Held:
    """Rows that wait for their group to be whole: for each output the part, its lengths filled in."""

    def __init__(self, outputs: Sequence[str]) -> None:
        import numpy as np

        self.numbers: NDArray[np.int64] = np.empty(0, np.int64)
        self.counts = {output: np.empty(0, np.int64) for output in outputs}
        self.sequences = {output: join([]) for output in outputs}

    def add(self, numbers: NDArray[np.int64], parts: Dict[str, Part], first: str) -> None:
        import numpy as np

        self.numbers = _append(self.numbers, numbers)
        for output, part in parts.items():
            sequences = part.sequences
            if sequences is None:
                lengths = _of(parts[first]).lengths
                sequences = Ragged(np.ones(int(lengths.sum()), np.int32), lengths)
            self.counts[output] = _append(self.counts[output], part.counts)
            before = self.sequences[output]
            self.sequences[output] = join([before, sequences]) if len(before.lengths) else sequences

    def cut(self, rows: int) -> _Held:
        """The first `rows` of the held rows; they are held no longer."""
        import numpy as np

        front = _Held(tuple(self.counts))
        front.numbers, self.numbers = self.numbers[:rows], self.numbers[rows:]
        for output, counts in self.counts.items():
            sequences = self.sequences[output]
            flags = np.zeros(len(sequences.lengths), bool)
            flags[: int(counts[:rows].sum())] = True
            front.counts[output], self.counts[output] = counts[:rows], counts[rows:]
            front.sequences[output], self.sequences[output] = take(sequences, flags), take(sequences, ~flags)
        return front


class Sink:
    """Writes blocks to `writers` (by output; the first is the one whose lengths count).

    `borders`: numbers of rows (of all inputs, ascending) at which a new subset begins, so that groups and
    packing start anew. `same_rows`: all outputs have the same sequences of the same rows (samples with a
    mask).
    """

    def __init__(
        self,
        writers: Dict[str, IndexedWriter],
        tally: Tally,
        seq_length: int,
        same_rows: bool,
        borders: List[int],
        pack: PackWriter | None,
    ) -> None:
        self._writers = writers
        self._tally = tally
        self._seq_length = seq_length
        self._same_rows = same_rows
        self._borders = borders
        self._pack = pack
        self._first = next(iter(writers))
        self._held = _Held(tuple(writers))
        # Groups matter only where an empty text of one column moves the numbers of its rows.
        self._grouped = bool(seq_length) and len(writers) > 1 and not same_rows

    def add(self, encoded: Encoded) -> None:
        tally = self._tally
        tally.bad += len(encoded.bad)
        tally.skipped += len(encoded.skipped)
        tally.kept += len(encoded.places)
        self._held.add(encoded.places + tally.records, encoded.parts, self._first)
        tally.records += encoded.total
        while self._borders and self._borders[0] <= tally.records:
            self._end_subset(self._borders.pop(0))
        rows = len(self._held.numbers)
        self._write(self._held.cut(rows - rows % GROUP) if self._grouped else self._take_all())

    def finish(self) -> None:
        """Write what is held back."""
        self._write(self._take_all())
        if self._pack:
            self._pack.end_subset()

    def _end_subset(self, border: int) -> None:
        import numpy as np

        self._write(self._held.cut(int(np.searchsorted(self._held.numbers, border))))
        if self._pack:
            self._pack.end_subset()

    def _take_all(self) -> _Held:
        held, self._held = self._held, _Held(tuple(self._writers))
        return held

    def _write(self, held: _Held) -> None:
        if len(held.numbers) == 0:
            return
        self._note_longest(held)
        if self._pack:
            self._write_packed(held)
            return
        dropped = self._overlong(held) if self._seq_length else {}
        self._count_dropped(held, dropped)
        for output, writer in self._writers.items():
            counts, sequences = held.counts[output], held.sequences[output]
            if output == self._first or not self._same_rows:
                self._tally.empty += int((counts == 0).sum())
            flags = dropped.get(output)
            if flags is not None and flags.any():
                counts = _kept_counts(counts, ~flags)
                sequences = take(sequences, ~flags)
            remaining = held.counts[output] > 0
            writer.add(sequences.flat, sequences.lengths, _running(counts)[remaining])
            longest = int(sequences.lengths.max(initial=0))
            self._tally.longest_kept = max(self._tally.longest_kept, longest)
            if output == self._first or not self._same_rows:
                self._tally.tokens += len(sequences.flat)

    def _write_packed(self, held: _Held) -> None:
        assert self._pack is not None
        first = held.sequences[self._first]
        too_long = first.lengths > self._seq_length
        self._count_dropped(held, {self._first: too_long})
        fitting = take(first, ~too_long)
        self._tally.empty += int((held.counts[self._first] == 0).sum())
        self._tally.tokens += len(fitting.flat)
        self._tally.longest_kept = max(self._tally.longest_kept, int(fitting.lengths.max(initial=0)))
        self._pack.add(fitting)

    def _overlong(self, held: _Held) -> Dict[str, NDArray[np.bool_]]:
        """A flag for every sequence of every output."""
        import numpy as np

        lengths = {output: sequences.lengths for output, sequences in held.sequences.items()}
        if self._same_rows:
            some = np.zeros(len(lengths[self._first]), bool)
            for of_output in lengths.values():
                some |= of_output >= self._seq_length
            return dict.fromkeys(lengths, some)
        if len(lengths) == 1:
            return {output: of_output >= self._seq_length for output, of_output in lengths.items()}
        rows = {output: np.flatnonzero(counts) for output, counts in held.counts.items()}
        return overlong(rows, lengths, self._seq_length)

    def _note_longest(self, held: _Held) -> None:
        for output in self._writers:
            lengths = held.sequences[output].lengths
            if len(lengths) and int(lengths.max()) > self._tally.longest:
                self._tally.longest = int(lengths.max())
                self._tally.longest_record = int(_record_of(held, output, int(lengths.argmax())))
            if self._same_rows:
                return

    def _count_dropped(self, held: _Held, dropped: Dict[str, NDArray[np.bool_]]) -> None:
        import numpy as np

        for output, flags in dropped.items():
            places = np.flatnonzero(flags)
            self._tally.dropped += len(places)
            for place in places[: max(0, _LISTED - len(self._tally.long_records))].tolist():
                tokens = int(held.sequences[output].lengths[place])
                record = int(_record_of(held, output, place))
                self._tally.long_records.append({"record": record, "tokens": tokens})
            if self._same_rows:
                return


def _of(part: Part) -> Ragged:
    if part.sequences is None:
        raise TypeError(_("the first output of a handler has its ids"))
    return part.sequences


def _append(before: NDArray[np.int64], more: NDArray[np.int64]) -> NDArray[np.int64]:
    import numpy as np

    return np.concatenate([before, more]) if len(before) else more


def _running(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    import numpy as np

    ends: NDArray[np.int64] = np.cumsum(counts)
    return ends


def _kept_counts(counts: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of each row's sequences are kept."""
    import numpy as np

    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    ends = np.cumsum(counts)
    remaining: NDArray[np.int64] = before[ends] - before[ends - counts]
    return remaining


def _record_of(held: _Held, output: str, sequence: int) -> int:
    """The number (from 1) of the record that a sequence of the held rows comes from."""
    import numpy as np

    row = int(np.searchsorted(np.cumsum(held.counts[output]), sequence, side="right"))
    return int(held.numbers[row]) + 1
