"""A Megatron tree to the folder of a Hugging Face model: weights, and everything else of the original."""

from __future__ import annotations

import contextlib
import os
from gettext import gettext as _
from typing import Any, Dict, List

from backend.node import durable
from backend.node.job_lines import JobError
from backend.node.weights import weights_manifest
from backend.node.weights.ahead import one_ahead
from backend.node.weights.arrays import Array, Planned
from backend.node.weights.companion_files import companion_files, copy_companions, left_out
from backend.node.weights.conversion_job import ConversionJob, read_conversion_job
from backend.node.weights.families import mapping
from backend.node.weights.gathering import gather
from backend.node.weights.hf_folder import INDEXES, SINGLE, HfFolder
from backend.node.weights.hf_plan import HfEntry, HfPlan, plan_hf
from backend.node.weights.lora_tree import lora_settings, open_tree
from backend.node.weights.made_manifest import notes_on_changes
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import HF_NAMES
from backend.node.weights.model_config import read_model
from backend.node.weights.output_folder import new_folder, storage_error
from backend.node.weights.progress import Outcome, Progress, Tell, print_lines, say, say_all
from backend.node.weights.rank_copies import notes_on_copies
from backend.node.weights.rank_writer import SPARE_BYTES, fits, held_per_byte, run_side_by_side, worker_count
from backend.node.weights.rotary_buffer import inverse_frequencies
from backend.node.weights.settle import settle
from backend.node.weights.shard_files import Shard, cut_into_shards, write_index
from backend.node.weights.tally import Tally
from backend.node.weights.tensor_blocks import source_plan
from backend.node.weights.tensor_source import Produce, TensorSource
from backend.node.weights.to_megatron import stored_dtype
from backend.node.weights.tree_agreement import check_own_head, notes_on_agreement
from backend.node.weights.tree_parts import TreeParts

__all__ = ["Outcome", "Progress", "run"]

_LIKE = "like_directory"


def run(job: Dict[str, Any], tell: Tell = print_lines) -> Outcome:
    """Needs megatron_directory, output_directory and like_directory. Raises JobError; then the output
    directory is as it was before."""
    wanted = read_conversion_job(job, ("megatron_directory", "output_directory", "like_directory"))
    try:
        return _run(wanted, tell)
    except OSError as error:
        raise storage_error(error, wanted.output_directory) from error


def _run(job: ConversionJob, tell: Tell) -> Outcome:
    tree = open_tree(job.megatron_directory, lora_settings(job._asdict()))
    like = _like(job.like_directory)
    companions = [os.path.join(job.like_directory, name) for name in companion_files(job.like_directory)]
    files = tree.files + sorted({*companions, *like.files})
    sources = weights_manifest.made_from(job, "to-hf", files)
    current = None if job.dry_run else weights_manifest.up_to_date(job.output_directory, sources, tell)
    if current is not None:
        return current
    model = read_model(like.config, _LIKE)
    parts = TreeParts(tree, model)
    check_own_head(tree, model)
    dtype = job.dtype or model.dtype or stored_dtype(tree.rank(0, 0))
    plan = plan_hf(model, dtype)
    shards = cut_into_shards(plan, job.max_shard_bytes)
    details = weights_manifest.describe(model, "hf", dtype)
    details["from_layout"] = tree.layout._asdict()
    notes = _notes(job, tree, like, plan, tell)
    copied_bytes = sum(os.path.getsize(path) for path in companions)
    obstacle = weights_manifest.check_output(job, sources, plan.nbytes + copied_bytes)
    notes += say_all(tell, notes_on_changes(job.megatron_directory) + notes_on_copies(tree))
    notes += say_all(tell, notes_on_agreement(tree, model))
    if job.dry_run:
        described = [
            {"path": shard.name, "tensors": len(shard.tensors), "bytes": shard.nbytes} for shard in shards
        ]
        return Outcome(False, weights_manifest.dry(details, described, plan.nbytes, notes, obstacle))
    with new_folder(job.output_directory, job.overwrite) as folder:
        copied = copy_companions(job.like_directory, folder, HF_NAMES[dtype])
        tally = Tally(plan.nbytes, tell)
        joiner = _Joiner(parts, plan, like, dtype, tally)
        allowed = job.memory_bytes or SPARE_BYTES + tree.largest_rank_bytes()
        paths = _write_shards(folder, shards, joiner, tally, allowed)
        details["notes"] = notes + say_all(tell, tree.notes()) + tally.say_notes()
        details["copied_files"] = copied
        counts = {"shards": len(shards), **tally.counts(), "seconds": round(tally.seconds, 3)}
        outputs = paths + [os.path.join(folder, name) for name in copied]
        return Outcome(False, weights_manifest.write(folder, sources, counts, outputs, details))


def _like(directory: str) -> HfFolder:
    """The original, with its weights where they are there: only buffers are taken from them."""
    if any(os.path.isfile(os.path.join(directory, name)) for name in (*INDEXES, *SINGLE)):
        bare = HfFolder(directory, weights=False, field=_LIKE)
        if not read_model(bare.config, _LIKE).table.buffers:
            return bare
        try:
            return HfFolder(directory, field=_LIKE)
        except JobError:
            # An index without its shards, as when only small files were fetched.
            return bare
    return HfFolder(directory, weights=False, field=_LIKE)


def _notes(job: ConversionJob, tree: MegatronTree, like: HfFolder, plan: HfPlan, tell: Tell) -> List[str]:
    notes = []
    stored = tree.dtypes()
    wanted = HF_NAMES[plan.tensors[0].dtype]
    if any(HF_NAMES.get(dtype) != wanted for dtype in stored):
        text = _("the checkpoint is {stored} and is written as {wanted}")
        names = ", ".join(HF_NAMES.get(dtype, dtype) for dtype in stored)
        notes.append(text.format(stored=names, wanted=wanted))
    missing = [one.key for one in plan.buffers if one.key not in like.names()]
    if missing:
        text = _("{name} is computed: {directory} has no weights to take it from")
        notes.append(text.format(name=missing[0], directory=job.like_directory))
    like_directory, output = job.like_directory, os.path.realpath(job.output_directory)
    others = [
        name
        for name in left_out(like_directory)
        if os.path.realpath(os.path.join(like_directory, name)) != output
    ]
    if others:
        text = _("of the original these do not come along: {names}")
        notes.append(text.format(names=", ".join(others)))
    for note in notes:
        say(tell, note)
    return notes


def _write_shards(
    folder: str, shards: List[Shard], joiner: _Joiner, tally: Tally, allowed_bytes: int
) -> List[str]:
    from backend.node.weights.safetensors_writer import write_safetensors

    def write(shard: Shard) -> str:
        path = os.path.join(folder, shard.name)
        produce: Produce = joiner.produce
        with contextlib.ExitStack() as stack:
            if workers == 1 and fits(2 * held, allowed_bytes):
                produce = stack.enter_context(one_ahead(shard.tensors, produce))
            # Loaders of PyTorch models look for this word.
            write_safetensors(path, shard.tensors, produce, {"format": "pt"})
        return path

    held = joiner.held * max(planned.nbytes for shard in shards for planned in shard.tensors)
    workers = worker_count(len(shards), int(held), allowed_bytes)
    tasks = [lambda shard=shard: write(shard) for shard in shards]
    paths = run_side_by_side(tasks, workers, tally)
    if len(shards) > 1:
        paths.append(write_index(folder, shards))
    durable.sync_directory(folder)
    return paths


class _Joiner:
    """Makes the tensors of the model from the pieces of all ranks. `held`: bytes that it holds for each of
    them."""

    def __init__(self, parts: TreeParts, plan: HfPlan, like: TensorSource, dtype: str, tally: Tally) -> None:
        self._parts = parts
        self._plan = plan
        self._like = like
        self._dtype = dtype
        self._tally = tally
        self.held = held_per_byte(parts.tree.dtypes(), dtype)
        self._buffers: Dict[str, Planned] = {planned.key: planned for planned in plan.buffers}

    def produce(self, name: str) -> Array:
        array = self._buffer(name) if name in self._buffers else self._join(self._plan.entries[name])
        array = settle(array, self._dtype, name, self._tally, refuse_overflow=False)
        self._tally.add(array.data.nbytes)
        return array

    def _join(self, entry: HfEntry) -> Array:
        sources = self._parts.sources(entry.part, entry.layer)
        cut = mapping.PARTS[entry.part].cut
        shapes = [source.info(name).shape for source, name in sources]
        return gather(source_plan(cut, shapes, self._parts.place, entry.number, entry.sources), sources)

    def _buffer(self, name: str) -> Array:
        """As the original has it, else as the model's own code computes it."""
        planned = self._buffers[name]
        if name in self._like.names() and self._like.info(name).shape == planned.shape:
            return self._like.get(name)
        return inverse_frequencies(self._parts.model, planned.dtype)
