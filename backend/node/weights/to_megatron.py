"""A Hugging Face model to a Megatron tree, cut for a layout of ranks: one tensor in memory at a time."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict, List, Set

from backend.node.weights import weights_manifest
from backend.node.weights.arrays import Array
from backend.node.weights.conversion_job import ConversionJob, read_conversion_job
from backend.node.weights.families import mapping
from backend.node.weights.families.all_families import default_format
from backend.node.weights.gathering import gather
from backend.node.weights.hf_folder import INDEXES, SINGLE, HfFolder
from backend.node.weights.hf_plan import source_names
from backend.node.weights.made_manifest import notes_on_changes
from backend.node.weights.model import HF_NAMES, Model
from backend.node.weights.model_config import model_of_architecture, read_model
from backend.node.weights.output_folder import new_folder, storage_error
from backend.node.weights.progress import Outcome, Progress, Tell, print_lines, say, say_all
from backend.node.weights.rank_writer import Rank, held_per_byte, write_ranks
from backend.node.weights.rope_notes import rope_notes
from backend.node.weights.settle import settle
from backend.node.weights.tally import Tally
from backend.node.weights.tensor_blocks import piece_plan
from backend.node.weights.tensor_cuts import place_of
from backend.node.weights.tensor_source import Produce, TensorSource
from backend.node.weights.tied_head import check_tied
from backend.node.weights.tree_plan import RankPlan
from backend.node.weights.tree_target import Target, describe_ranks, new_rows, target_of
from backend.node.weights.weights_check import check_hf, check_same_model

__all__ = ["Outcome", "Progress", "run"]

_WIDTH = {"bf16": 8, "fp16": 11, "fp32": 24, "fp64": 53}


def run(job: Dict[str, Any], tell: Tell = print_lines) -> Outcome:
    """Needs hf_directory, output_directory, tensor_parallel and pipeline_parallel. Raises JobError; then the
    output directory is as it was before."""
    needed = ("hf_directory", "output_directory", "tensor_parallel", "pipeline_parallel")
    wanted = read_conversion_job(job, needed)
    try:
        return _run(wanted, tell)
    except OSError as error:
        raise storage_error(error, wanted.output_directory) from error


def _run(job: ConversionJob, tell: Tell) -> Outcome:
    source = _open(job)
    model = read_model(source.config) if job.architecture is None else _recipe_model(job, source, tell)
    target = _target(job, model, source)
    sources = weights_manifest.made_from(job, "to-megatron", source.files)
    current = None if job.dry_run else weights_manifest.up_to_date(job.output_directory, sources, tell)
    if current is not None:
        return current
    if source.weight_files:
        check_hf(model, source)
        check_tied(model, source)
    plans = target.plans()
    nbytes = sum(plan.nbytes for plan in plans.values())
    details = weights_manifest.describe(
        model, target.format, target.dtype, target.layout, target.padded_vocab
    )
    notes = say_all(tell, [*_dtype_notes(job, model, source, target.dtype), *rope_notes(model)])
    notes += say_all(tell, notes_on_changes(job.hf_directory))
    obstacle = weights_manifest.check_output(job, sources, nbytes)
    if job.dry_run:
        return Outcome(False, weights_manifest.dry(details, describe_ranks(plans), nbytes, notes, obstacle))
    with new_folder(job.output_directory, job.overwrite) as folder:
        tally = Tally(nbytes, tell)
        worker = _Cutter(source, target, tally)
        args = target.args(job.hf_directory, job.output_directory)
        held = held_per_byte(floats_of(source), target.dtype)
        paths = write_ranks(folder, plans, args, worker.producer, tally, held, job.memory_bytes)
        details["notes"] = notes + tally.say_notes()
        counts = {"rank_files": len(paths), **tally.counts(), "seconds": round(tally.seconds, 3)}
        return Outcome(False, weights_manifest.write(folder, sources, counts, paths, details))


def _open(job: ConversionJob) -> HfFolder:
    """A dry run needs no weights: config.json says all their names and shapes."""
    names = (*INDEXES, *SINGLE)
    present = any(os.path.isfile(os.path.join(job.hf_directory, name)) for name in names)
    return HfFolder(job.hf_directory, weights=present or not job.dry_run)


def _recipe_model(job: ConversionJob, source: HfFolder, tell: Tell) -> Model:
    """The recipe's model, which config.json must describe too."""
    expected = model_of_architecture(job.architecture or {})
    found = read_model(source.config, family=expected.family)
    for note in check_same_model(found, expected, job.hf_directory):
        say(tell, note)
    return found._replace(family=expected.family)


def _target(job: ConversionJob, model: Model, source: HfFolder) -> Target:
    dtype = job.dtype or model.dtype or stored_dtype(source)
    return target_of(job, model, job.format or default_format(model.family), dtype)


def stored_dtype(source: TensorSource) -> str:
    """The widest floating-point dtype among the tensors: for a model whose config does not say one."""
    found = floats_of(source) & set(HF_NAMES)
    return max(found, key=lambda dtype: _WIDTH[dtype], default="fp32")


def floats_of(source: TensorSource) -> Set[str]:
    """The floating-point dtypes of its tensors."""
    return {source.info(name).dtype for name in source.names()} & set(_WIDTH)


def _dtype_notes(job: ConversionJob, model: Model, source: HfFolder, dtype: str) -> List[str]:
    """Said before the work: what is stored, or what the config says, is not what is written."""
    stored = sorted(floats_of(source), key=lambda one: _WIDTH[one]) if source.weight_files else []
    widest = stored[-1] if stored else model.dtype
    name = HF_NAMES[dtype]
    if job.dtype is None and widest not in (None, dtype):
        text = _("tensors are stored as {stored} and are written as {name}, as config.json says")
        note = text.format(stored=", ".join(HF_NAMES.get(one, one) for one in stored), name=name)
        return [note if _fits(str(widest), dtype) else note + _(": values may lose digits")]
    own = model.dtype if model.dtype is not None else widest
    if own in (None, dtype) or _fits(str(own), dtype):
        return []
    text = _("the model is {own} and is written as {name}: values may lose digits")
    return [text.format(own=HF_NAMES.get(str(own), own), name=name)]


def _fits(stored: str, dtype: str) -> bool:
    """Whether one dtype holds every value of another."""
    return stored == dtype or dtype == "fp64" or (dtype == "fp32" and stored != "fp64")


class _Cutter:
    """Makes the tensors of ranks from those of the model."""

    def __init__(self, source: TensorSource, target: Target, tally: Tally) -> None:
        self._source = source
        self._target = target
        self._tally = tally

    def producer(self, rank: Rank, plan: RankPlan) -> Produce:
        target, source, tally = self._target, self._source, self._tally
        model = target.model
        place = place_of(model, target.layout.tp, target.padded_vocab, rank[0])

        def produce(key: str) -> Array:
            entry = plan.entries[key]
            names = source_names(model, entry.part, entry.layer)
            cut = mapping.PARTS[entry.part].cut
            made = piece_plan(cut, [source.info(name).shape for name in names], place)
            array = gather(made, [(source, name) for name in names])
            new = new_rows(target, entry.part, rank)
            array = settle(array, target.dtype, names[0], tally, refuse_overflow=True, new_rows=new)
            tally.add(array.data.nbytes)
            return array

        return produce
