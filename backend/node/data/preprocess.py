"""The stage "data": records of text to Megatron's token files, byte for byte as ModelLink writes them."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple

from backend.node import durable, manifest
from backend.node.data.adopt import adopt, adopted_words, preprocessed_prefix
from backend.node.data.bad_rows import BadRows
from backend.node.data.block_encoder import BlockEncoder
from backend.node.data.blocks import column_names, first_rows
from backend.node.data.data_job import PRETRAIN_HANDLERS, DataJob, made_from, read_job
from backend.node.data.data_pass import DataPass
from backend.node.data.encoder_choice import AUTO, TOKENIZERS, tokenizer_files
from backend.node.data.handlers.choose import check_handler
from backend.node.data.inputs import find_inputs
from backend.node.data.lanes import limit_threads, useful_workers
from backend.node.data.prefix_lock import hold
from backend.node.data.progress import Progress, Tell, print_lines
from backend.node.data.writer import IndexedWriter
from backend.node.ending import ended_by_signals
from backend.node.job_lines import JobError, StorageError
from backend.node.storage_faults import storage_error

_LOOKED_AT = 100
_SMALL = 8 << 20
_OTHER_PREFIX = _("give another prefix")

__all__ = ["Outcome", "Progress", "finished_words", "run"]


class Outcome(NamedTuple):
    """What was made. `up_to_date`: nothing had to be done; `manifest`: the content of `<prefix>.json`."""

    up_to_date: bool
    manifest: Dict[str, Any]


def run(job: Dict[str, Any], tell: Tell = print_lines) -> Outcome:
    """Make the token files of a job. Raises JobError; then no earlier result has been touched."""
    wanted = read_job(job)
    try:
        with ended_by_signals():
            return _run(wanted, tell)
    except OSError as error:
        raise storage_error(error, "output_prefix", wanted.output_prefix) from error
    except MemoryError as error:
        what = _("there is not enough memory")
        fix = _("give fewer workers; one record alone must fit several times")
        raise StorageError("workers", what, "", fix) from error


def _run(job: DataJob, tell: Tell) -> Outcome:
    prefix = preprocessed_prefix(job.input)
    if prefix is not None:
        adopted = adopt(job, prefix)
        tell(Progress(0, 0, 0, 0, 0, adopted_words(prefix, adopted)))
        return Outcome(True, adopted)
    files = find_inputs(job.input)
    sources = made_from(job, files, _vocabulary_files(job))
    root = os.path.dirname(job.output_prefix)
    found = manifest.read(job.manifest_path)
    if found is not None and manifest.is_current(found, sources, root):
        note = _("up to date: {prefix} was made from the same data").format(prefix=job.output_prefix)
        tell(Progress(0, 0, 0, 0, 0, note))
        return Outcome(True, found)
    check_handler(job.handler, job.prompt_type, bool(job.map_keys))
    size = sum(os.path.getsize(path) for path in files)
    if job.encoder == AUTO and size < _SMALL:
        # Proving the faster one would take longer than the work.
        job = job._replace(encoder=TOKENIZERS)
    workers = useful_workers(job.workers, size)
    processes = limit_threads(workers)
    own = BlockEncoder(job)
    _check_columns(job, files, own)
    _make_folder(root)
    handler = own.handler
    targets = {output: job.target(output, handler.packed) for output in handler.outputs}
    with hold(job.output_prefix):
        _check_targets(job, list(targets.values()), found, files)
        work = DataPass(job, files, own, tell)
        writers = {output: IndexedWriter(target) for output, target in targets.items()}
        work.write(writers, workers, processes)
        return Outcome(False, _publish(job, sources, work, writers))


def _vocabulary_files(job: DataJob) -> List[str]:
    """The files that decide which ids a text gets."""
    named = [path for path in (job.vocab_file, job.merge_file) if path and os.path.isfile(path)]
    return named + (tokenizer_files(job.tokenizer) if job.tokenizer else [])


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        what = _("{path} is not a folder").format(path=path)
        raise JobError("output_prefix", what, "", _("give directory/name for the result")) from error


def _check_columns(job: DataJob, files: List[str], own: BlockEncoder) -> None:
    """The columns that the handler needs are there, seen before the work begins."""
    handler = own.handler
    for path in files:
        names = column_names(path)
        missing = [name for name in handler.required if name not in names]
        if not missing:
            continue
        rows = first_rows(path, handler.columns, _LOOKED_AT)
        if rows.bad and not rows.numbers:
            # Nothing can be said of columns where no record can be read.
            BadRows(job.on_bad_row, lambda _note: None).add(rows.bad, [])
            continue
        if not rows.numbers:
            raise JobError("input", _("there are no rows in {path}").format(path=path))
        what = _("{path} has no column {missing}, which {handler} reads").format(
            path=path, missing=", ".join(missing), handler=job.handler
        )
        why = _("its columns: {names}").format(names=", ".join(names[:12]) or _("none"))
        general = job.handler == PRETRAIN_HANDLERS[0]
        fix = _("choose the columns, or another handler") if general else _("choose another handler")
        field = "json_keys" if general else "map_keys" if job.map_keys else "handler"
        raise JobError(field, what, why, fix)


def _check_targets(job: DataJob, targets: List[str], found: Any, inputs: List[str]) -> None:
    """Nothing that another program made is replaced unasked, an input never; what was left half done is
    removed."""
    endings = [target + ending for target in targets for ending in (".bin", ".idx")]
    for path in (*endings, job.manifest_path):
        if os.path.isdir(path):
            what = _("{path} is a folder").format(path=path)
            raise JobError("output_prefix", what, _("a file of the result is called so"), _OTHER_PREFIX)
        if os.path.exists(path) and any(os.path.samefile(path, one) for one in inputs):
            what = _("{path} is the raw data").format(path=path)
            raise JobError("output_prefix", what, _("a file of the result is called so"), _OTHER_PREFIX)
        if os.path.lexists(path) and found is None and not job.force:
            what = _("{path} is there already").format(path=path)
            why = _("it was not made by npudeck, or its description is gone")
            raise JobError("output_prefix", what, why, _("give another prefix, or force it"))
        durable.remove_leftovers(path, ours_alone=True)


def _publish(
    job: DataJob, sources: Dict[str, Any], work: DataPass, writers: Dict[str, IndexedWriter]
) -> Dict[str, Any]:
    """Give the files their names, the manifest last; until then it says that they are not whole."""
    tally = work.tally
    details = {
        "notes": work.notes,
        "bad_rows": work.bad.listed,
        "skipped_rows": work.bad.skipped_listed,
        "long_records": tally.long_records,
        "encoder": work.own.encoder.name,
        "handler_outputs": list(writers),
    }
    counts = tally.counts(list(writers.values())[: 1 if work.own.handler.packed else None])
    versions = work.own.versions()
    manifest.write(job.manifest_path, {}, counts, [], versions, details)
    for writer in writers.values():
        writer.publish()
    outputs = [path for writer in writers.values() for path in (writer.bin_path, writer.index_path)]
    details["crc32"] = {
        os.path.basename(path): checksum
        for writer in writers.values()
        for path, checksum in zip((writer.bin_path, writer.index_path), writer.checksums())
    }
    return manifest.write(job.manifest_path, sources, counts, outputs, versions, details)


def finished_words(counts: Dict[str, Any]) -> str:
    """What to say in the end, from the manifest's counts."""
    text = _(
        "{records:,} records made {sequences:,} sequences of {tokens:,} tokens; {empty:,} empty texts, "
        "{dropped:,} dropped for their length, the longest has {longest:,} tokens"
    )
    return text.format(**counts)
