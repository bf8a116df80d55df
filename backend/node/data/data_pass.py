"""One pass over the rows of a data job, into files under temporary names."""

from __future__ import annotations

import contextlib
import os
import time
from gettext import gettext as _
from typing import Any, Dict, Generator, Iterator, List, Optional

from backend.node.data.bad_rows import BadRows
from backend.node.data.block_encoder import BlockEncoder
from backend.node.data.blocks import count_rows, read_blocks
from backend.node.data.data_job import DataJob, remarks
from backend.node.data.inputs import left_out
from backend.node.data.lanes import lanes
from backend.node.data.pack_writer import PackWriter, free_bytes
from backend.node.data.progress import Progress, Tell
from backend.node.data.rows import Block
from backend.node.data.sink import Sink, Tally
from backend.node.data.writer import IndexedWriter
from backend.node.job_lines import JobError, StorageError

_BYTES_A_TOKEN = 4
_MARGIN = 0.8
_FORESEEABLE = 0.02
_BLOCK_BYTES = 1 << 20


class DataPass:
    """Reads, encodes and writes. `tally`, `bad` and `notes` say afterwards what happened."""

    def __init__(self, job: DataJob, files: List[str], own: BlockEncoder, tell: Tell) -> None:
        self.job = job
        self.files = files
        self.own = own
        self.tally = Tally()
        self.bad = BadRows(job.on_bad_row, tell_note=self._note)
        notes = [*remarks(job), own.encoder.note, own.note, _left_out(job.input)]
        self.notes: List[str] = [note for note in notes if note]
        self._tell = tell
        self._total = sum(os.path.getsize(path) for path in files)
        self._done = 0
        self._started = time.monotonic()
        self._free = 0
        self._space_checked = False

    def write(self, writers: Dict[str, IndexedWriter], workers: int, processes: int) -> None:
        """All rows. Raises JobError, leaving nothing, also when there is nothing to train on."""
        job, root = self.job, os.path.dirname(self.job.output_prefix)
        for note in self.notes:
            self._tell(self._progress(note))
        self._free = free_bytes(root)
        borders = self._borders()
        with contextlib.ExitStack() as stack:
            for writer in writers.values():
                stack.callback(writer.discard)
            with contextlib.ExitStack() as open_files:
                for writer in writers.values():
                    open_files.enter_context(writer)
                pack = self._pack_writer(writers, root, open_files)
                same_rows = self.own.handler.packed
                sink = Sink(writers, self.tally, job.seq_length or 0, same_rows, borders, pack)
                self._feed(sink, workers, processes)
                sink.finish()
                if not any(writer.tokens for writer in writers.values()):
                    raise self._nothing_left()
            stack.pop_all()
        self._tell(self._progress(""))

    def _feed(self, sink: Sink, workers: int, processes: int) -> None:
        handler = self.own.handler
        size = getattr(handler, "block_bytes", _BLOCK_BYTES)
        blocks = read_blocks(self.files, handler.columns, size)
        with contextlib.ExitStack() as stack:
            # Closed at once when a row fails, so that no file stays open.
            source = stack.enter_context(contextlib.closing(_generated(blocks)))
            busy = stack.enter_context(lanes(self.job, self.own, workers, processes))
            for done in busy.encode(source):
                if done.note:
                    self._note(done.note)
                self.bad.add(done.encoded.bad, done.encoded.skipped)
                sink.add(done.encoded)
                self._done = min(done.bytes_read, self._total)
                self._check_space(len(handler.outputs))
                self._tell(self._progress(""))

    def _pack_writer(
        self, writers: Dict[str, IndexedWriter], root: str, stack: contextlib.ExitStack
    ) -> Optional[PackWriter]:
        if not self.job.pack or self.job.seq_length is None:
            return None
        return stack.enter_context(PackWriter(writers, self.job.seq_length, root))

    def _borders(self) -> List[int]:
        """Rows before which a new subset begins: the reference gives each `rows // n_subs` of them, and what
        remains to one more."""
        if self.job.n_subs == 1:
            return []
        rows = sum(count_rows(path) for path in self.files)
        gap = max(1, rows // self.job.n_subs)
        return list(range(gap, rows, gap))

    def _check_space(self, outputs: int) -> None:
        """Early on, see that the rest will fit as well."""
        if self._space_checked or self._total == 0 or self._done < self._total * _FORESEEABLE:
            return
        self._space_checked = True
        needed = self.tally.tokens * _BYTES_A_TOKEN * outputs / (self._done / self._total)
        if needed * _MARGIN > self._free:
            what = _("{directory} is too small for the result").format(
                directory=os.path.dirname(self.job.output_prefix)
            )
            why = _("about {needed:,.0f} MB will be needed, {free:,.0f} MB are free").format(
                needed=needed / 1e6, free=self._free / 1e6
            )
            raise StorageError("output_prefix", what, why, _("make room, or give another directory"))

    def _progress(self, note: str) -> Progress:
        tally = self.tally
        seconds = time.monotonic() - self._started
        return Progress(self._done, self._total, tally.records, tally.tokens, seconds, note)

    def _note(self, note: str) -> None:
        self.notes.append(note)
        self._tell(self._progress(note))

    def _nothing_left(self) -> JobError:
        tally, places = self.tally, ", ".join(self.files[:3])
        if tally.records == 0:
            return JobError("input", _("there are no rows in {path}").format(path=places))
        if tally.dropped:
            what = _("no sequence is shorter than {length} tokens").format(length=self.job.seq_length)
            why = _("the longest has {longest:,} tokens").format(longest=tally.longest)
            return JobError("seq_length", what, why, _("give a greater sequence length"))
        if tally.kept == 0:
            what = _("none of the {records:,} rows of {path} can be used").format(
                records=tally.records, path=places
            )
            return JobError("input", what, self.bad.first_words())
        if tally.bad:
            what = _("no text is left of {path}: {bad:,} rows cannot be used, the others are empty")
            return JobError("input", what.format(path=places, bad=tally.bad), self.bad.first_words())
        return JobError("input", _("all texts in {path} are empty").format(path=places))


def _generated(blocks: Iterator[Block]) -> Generator[Block, None, None]:
    try:
        yield from blocks
    except OSError as error:
        what = _("the raw data cannot be read to its end")
        raise JobError(
            "input", what, error.strerror or str(error), _("see to its disk, then repeat")
        ) from error


def _left_out(wanted: Any) -> str:
    """A sentence about files that look like data and are not read; "" when there are none."""
    files = left_out(wanted)
    if not files:
        return ""
    names = ", ".join(os.path.basename(path) for path in files[:5]) + (", …" if len(files) > 5 else "")
    return _("{count:,} files of other endings are not read: {names}").format(count=len(files), names=names)
