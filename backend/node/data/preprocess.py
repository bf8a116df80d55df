"""The stage "data": records of text to Megatron's token files, byte for byte as ModelLink writes them."""

from __future__ import annotations

import contextlib
import os
import time
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from backend.node import durable, manifest
from backend.node.data.batches import all_rows, batches, encode
from backend.node.data.data_job import DataJob, made_from, read_job
from backend.node.data.groups import overlong
from backend.node.data.inputs import find_inputs
from backend.node.data.readers import Row
from backend.node.data.tokenizer import Encoder, load_encoder
from backend.node.data.writer import IndexedWriter
from backend.node.job_lines import JobError, print_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _Tally:
    """What has been counted so far."""

    def __init__(self) -> None:
        self.records = 0
        self.empty = 0
        self.dropped = 0
        self.longest = 0
        self.tokens = 0
        self._started = time.monotonic()

    def rate(self) -> str:
        seconds = max(1e-9, time.monotonic() - self._started)
        millions = self.tokens / seconds / 1e6
        return _("{records:,} records, {rate:.2f} M tokens/s").format(records=self.records, rate=millions)


def run(job: Dict[str, Any]) -> None:
    """Do the stage "data". Raises JobError; then no file of an earlier result has been touched."""
    wanted = read_job(job)
    try:
        _run(wanted)
    except OSError as error:
        what = _("the data stage cannot read or write a file")
        raise JobError("", what, str(error)) from error


def _run(job: DataJob) -> None:
    files = find_inputs(job.input)
    sources = made_from(job, files)
    root = os.path.dirname(job.manifest_path)
    if manifest.is_current(manifest.read(job.manifest_path), sources, root):
        print(
            _("up to date: {prefix} was made from the same data").format(prefix=job.output_prefix), flush=True
        )
        return
    _use_processors(job.workers)
    encoder = load_encoder(job.tokenizer)
    if job.append_eod and encoder.eod is None:
        what = _("the tokenizer in {folder} has no end-of-text token").format(folder=job.tokenizer)
        raise JobError(
            "append_eod", what, _("it is put after every document"), _("name eos_token in its config")
        )
    os.makedirs(root, exist_ok=True)
    for target in job.targets():
        durable.remove_leftovers(target + ".bin")
        durable.remove_leftovers(target + ".idx")
    tally = _Tally()
    writers = _write(job, files, encoder, tally)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(job.manifest_path)
    for writer in writers.values():
        writer.publish()
    _finish(job, sources, writers, tally, encoder)


def _use_processors(workers: Optional[int]) -> None:
    """Before the library starts its threads."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    if workers:
        os.environ["RAYON_NUM_THREADS"] = str(workers)


def _write(job: DataJob, files: List[str], encoder: Encoder, tally: _Tally) -> Dict[str, IndexedWriter]:
    """All rows into temporary files. Raises JobError, leaving nothing, when there is nothing to train on."""
    end = [encoder.eod] if job.append_eod and encoder.eod is not None else []
    writers = {key: IndexedWriter(target) for key, target in zip(job.json_keys, job.targets())}
    total = sum(os.path.getsize(path) for path in files)
    with contextlib.ExitStack() as stack:
        for writer in writers.values():
            stack.callback(writer.discard)
        with contextlib.ExitStack() as open_files:
            for writer in writers.values():
                open_files.enter_context(writer)
            for done, rows in batches(all_rows(files, job.json_keys)):
                _write_batch(job, rows, encoder, end, writers, tally)
                print_progress(min(done, total), total, "bytes", tally.rate())
            if tally.tokens == 0:
                raise _nothing_left(job, tally)
        stack.pop_all()
    return writers


def _write_batch(
    job: DataJob,
    rows: List[Row],
    encoder: Encoder,
    end: List[int],
    writers: Dict[str, IndexedWriter],
    tally: _Tally,
) -> None:
    import numpy as np

    ids: Dict[str, NDArray[np.int32]] = {}
    lengths: Dict[str, NDArray[np.int64]] = {}
    numbers: Dict[str, NDArray[np.int64]] = {}
    for place, key in enumerate(job.json_keys):
        found = [number for number, row in enumerate(rows) if row.values[place]]
        numbers[key] = np.array(found, np.int64)
        ids[key], lengths[key] = encode(encoder, [rows[number] for number in found], place, end)
        tally.empty += len(rows) - len(found)
        tally.longest = max(tally.longest, int(lengths[key].max(initial=0)))
    dropped = overlong(numbers, lengths, job.seq_length) if job.seq_length else None
    for key, writer in writers.items():
        kept = np.ones(len(lengths[key]), bool) if dropped is None else ~dropped[key]
        if not kept.all():
            ids[key] = ids[key][np.repeat(kept, lengths[key])]
        writer.add(ids[key], lengths[key][kept], np.cumsum(kept))
        tally.dropped += int(len(kept) - kept.sum())
        tally.tokens += len(ids[key])
    tally.records += len(rows)


def _nothing_left(job: DataJob, tally: _Tally) -> JobError:
    if tally.records == 0:
        return JobError("input", _("there are no rows in {path}").format(path=job.input))
    if tally.dropped:
        what = _("no sequence is shorter than {length} tokens").format(length=job.seq_length)
        return JobError(
            "seq_length", what, _("the longest has {longest} tokens").format(longest=tally.longest)
        )
    return JobError("input", _("all texts in {path} are empty").format(path=job.input))


def _finish(
    job: DataJob, sources: Dict[str, Any], writers: Dict[str, IndexedWriter], tally: _Tally, encoder: Encoder
) -> None:
    counts = {
        "records": tally.records,
        "empty": tally.empty,
        "dropped": tally.dropped,
        "longest": tally.longest,
        "tokens": tally.tokens,
        "sequences": sum(writer.sequences for writer in writers.values()),
    }
    outputs = [path for writer in writers.values() for path in (writer.bin_path, writer.index_path)]
    manifest.write(job.manifest_path, sources, counts, outputs, encoder.versions)
    text = _(
        "{records:,} records made {sequences:,} sequences of {tokens:,} tokens; {empty:,} empty texts, "
        "{dropped:,} dropped for their length, the longest has {longest:,} tokens"
    )
    print(text.format(**counts), flush=True)
