"""A Megatron tree to another one: another layout, format or dtype, with nothing between."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, List, Optional

from backend.node.weights import weights_manifest
from backend.node.weights.arrays import FP32, ITEM_BYTES, Array
from backend.node.weights.conversion_job import ConversionJob, read_conversion_job
from backend.node.weights.families import mapping
from backend.node.weights.gathering import gather
from backend.node.weights.lora_tree import lora_settings, open_tree
from backend.node.weights.made_manifest import notes_on_changes
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import HF_NAMES, Model
from backend.node.weights.output_folder import new_folder, storage_error
from backend.node.weights.progress import Outcome, Progress, Tell, print_lines, say_all
from backend.node.weights.rank_copies import notes_on_copies
from backend.node.weights.rank_writer import Rank, held_per_byte, write_ranks
from backend.node.weights.settle import settle
from backend.node.weights.tally import Tally
from backend.node.weights.tensor_blocks import piece_plan, source_plan, through
from backend.node.weights.tensor_cuts import BLOCKS, place_of
from backend.node.weights.tensor_source import Produce
from backend.node.weights.tree_model import known_rope_theta, tree_model
from backend.node.weights.tree_parts import TreeParts
from backend.node.weights.tree_plan import RankPlan
from backend.node.weights.tree_target import Target, describe_ranks, new_rows, target_of

__all__ = ["Outcome", "Progress", "run", "run_tree"]


def run(job: Dict[str, Any], tell: Tell = print_lines) -> Outcome:
    """Needs megatron_directory and output_directory; a layout or format that is not said stays as it is.

    Raises JobError; then the output directory is as it was before."""
    wanted = read_conversion_job(job, ("megatron_directory", "output_directory"))
    said = {name for name in ("tensor_parallel", "pipeline_parallel") if job.get(name) is not None}
    try:
        tree = open_tree(wanted.megatron_directory, lora_settings(wanted._asdict()))
        layout = tree.layout
        if "tensor_parallel" not in said:
            wanted = wanted._replace(tensor_parallel=layout.tp)
        if "pipeline_parallel" not in said:
            wanted = wanted._replace(pipeline_parallel=layout.pp)
        if wanted.pipeline_parallel == layout.pp and not wanted.layers_per_stage:
            wanted = wanted._replace(layers_per_stage=layout.layers_per_stage)
            if "pipeline_parallel" not in said and wanted.layers_per_virtual_stage is None:
                wanted = wanted._replace(layers_per_virtual_stage=layout.layers_per_virtual_stage)
        return run_tree(wanted, tree, tell)
    except OSError as error:
        raise storage_error(error, wanted.output_directory) from error


def run_tree(job: ConversionJob, tree: MegatronTree, tell: Tell) -> Outcome:
    """Write `tree` as the job asks, whose layout is all said.

    Raises JobError, OSError."""
    sources = weights_manifest.made_from(job, "merge-lora" if job.lora_directory else "reshard", tree.files)
    current = None if job.dry_run else weights_manifest.up_to_date(job.output_directory, sources, tell)
    if current is not None:
        return current
    model = tree_model(tree)
    parts = TreeParts(tree, model)
    target = _target(job, tree, model)
    plans = target.plans()
    nbytes = sum(plan.nbytes for plan in plans.values())
    details = weights_manifest.describe(
        model,
        target.format,
        target.dtype,
        target.layout,
        target.padded_vocab,
        known_rope_theta(tree) is not None,
    )
    notes = _notes(tree, target, parts.padded_vocab, tell)
    obstacle = weights_manifest.check_output(job, sources, nbytes)
    if job.dry_run:
        return Outcome(False, weights_manifest.dry(details, describe_ranks(plans), nbytes, notes, obstacle))
    with new_folder(job.output_directory, job.overwrite) as folder:
        tally = Tally(nbytes, tell)
        args = target.args(tree.root, job.output_directory)
        producer = _Recutter(parts, target, tally).producer
        held = held_per_byte(tree.dtypes(), target.dtype)
        paths = write_ranks(folder, plans, args, producer, tally, held, job.memory_bytes)
        details["notes"] = notes + say_all(tell, tree.notes()) + tally.say_notes()
        counts = {"rank_files": len(paths), **tally.counts(), "seconds": round(tally.seconds, 3)}
        return Outcome(False, weights_manifest.write(folder, sources, counts, paths, details))


def _target(job: ConversionJob, tree: MegatronTree, model: Model) -> Target:
    stored = [dtype for dtype in tree.dtypes() if dtype in HF_NAMES]
    dtype = job.dtype or max(stored, key=lambda one: ITEM_BYTES[one], default=FP32)
    return target_of(job, model, job.format or tree.format, dtype)


def _notes(tree: MegatronTree, target: Target, padded_vocab: int, tell: Tell) -> List[str]:
    notes = []
    if any(name.startswith("optimizer") for name in tree.content(0, 0)):
        notes.append(_("the optimizer of the checkpoint is left behind: only weights are cut anew"))
    stored = tree.dtypes()
    if any(dtype != target.dtype for dtype in stored):
        text = _("the checkpoint is {stored} and is written as {wanted}")
        names = ", ".join(HF_NAMES.get(dtype, dtype) for dtype in stored)
        notes.append(text.format(stored=names, wanted=HF_NAMES[target.dtype]))
    if target.padded_vocab < padded_vocab:
        text = _("rows that pad the vocabulary are taken off: of {count} are {wanted} left")
        notes.append(text.format(count=padded_vocab, wanted=target.padded_vocab))
    return say_all(tell, notes + notes_on_changes(tree.root) + notes_on_copies(tree))


class _Recutter:
    """Makes the tensors of new ranks from the pieces of the old ones."""

    def __init__(self, parts: TreeParts, target: Target, tally: Tally) -> None:
        self._parts = parts
        self._target = target
        self._tally = tally

    def producer(self, rank: Rank, plan: RankPlan) -> Produce:
        def produce(key: str) -> Array:
            entry = plan.entries[key]
            array = self._cut(entry.part, entry.layer, rank[0])
            new = new_rows(self._target, entry.part, rank)
            array = settle(array, self._target.dtype, key, self._tally, refuse_overflow=True, new_rows=new)
            self._tally.add(array.data.nbytes)
            return array

        return produce

    def _cut(self, part: str, layer: Optional[int], tp_rank: int) -> Array:
        """The new piece of a model's tensors, which are never made: only what it needs of them is read."""
        parts, target = self._parts, self._target
        cut = mapping.PARTS[part].cut
        sources = parts.sources(part, layer)
        shapes = [source.info(name).shape for source, name in sources]
        count = len(BLOCKS.get(cut, (0,)))
        whole = [source_plan(cut, shapes, parts.place, number, count) for number in range(count)]
        place = place_of(parts.model, target.layout.tp, target.padded_vocab, tp_rank)
        wanted = piece_plan(cut, [one.shape for one in whole], place)
        return gather(through(wanted, whole), sources)
