"""A Megatron tree to another one: another layout, format or dtype, with nothing between."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict, List, Optional

from backend.node import manifest
from backend.node.weights import weights_manifest
from backend.node.weights.arrays import FP32, ITEM_BYTES, Array
from backend.node.weights.conversion_job import ConversionJob, read_conversion_job
from backend.node.weights.families import mapping
from backend.node.weights.layout import check_division, make_layout, pad_vocabulary
from backend.node.weights.lora_tree import lora_settings, open_tree
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import HF_NAMES, Model
from backend.node.weights.model_config import model_of_args
from backend.node.weights.output_folder import (
    MANIFEST,
    check_room,
    check_target,
    new_folder,
    storage_error,
)
from backend.node.weights.progress import Outcome, Progress, Tell, print_lines, say
from backend.node.weights.rank_writer import Rank, write_ranks
from backend.node.weights.settle import settle
from backend.node.weights.tally import Tally
from backend.node.weights.tensor_cuts import piece, place_of, whole
from backend.node.weights.tensor_source import Produce
from backend.node.weights.tree_parts import PartKey, TreeParts
from backend.node.weights.tree_plan import RankPlan
from backend.node.weights.tree_target import Target, describe_ranks, new_rows

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


def run_tree(job: ConversionJob, tree: MegatronTree, tell: Tell, action: str = "reshard") -> Outcome:
    """Write `tree` as the job asks, whose layout is all said. `action` names the work in the manifest.

    Raises JobError, OSError."""
    sources = weights_manifest.made_from(job, action, tree.files)
    current = None if job.dry_run else weights_manifest.up_to_date(job.output_directory, sources, tell)
    if current is not None:
        return current
    model = tree_model(tree)
    parts = TreeParts(tree, model)
    target = _target(job, tree, model, parts)
    plans = target.plans()
    nbytes = sum(plan.nbytes for plan in plans.values())
    details = weights_manifest.describe(
        model, target.format, target.dtype, target.layout, target.padded_vocab
    )
    notes = _notes(tree, target, tell)
    if job.dry_run:
        return Outcome(False, weights_manifest.dry(details, describe_ranks(plans), nbytes, notes))
    check_target(job.output_directory, job.overwrite)
    check_room(job.output_directory, nbytes)
    with new_folder(job.output_directory, job.overwrite) as folder:
        tally = Tally(nbytes, tell)
        args = target.args(tree.root, job.output_directory)
        producer = _Recutter(parts, target, tally).producer
        paths = write_ranks(folder, plans, args, producer, tally, job.memory_bytes)
        details["notes"] = notes + tally.say_notes()
        counts = {"rank_files": len(paths), **tally.counts(), "seconds": round(tally.seconds, 3)}
        return Outcome(False, weights_manifest.write(folder, sources, counts, paths, details))


def tree_model(tree: MegatronTree) -> Model:
    """The model of a tree, from its arguments, its tensors, and the manifest beside it where there is one:
    only that says the family and rope theta. Raises JobError."""
    tied = tree.args.get("untie_embeddings_and_output_weights") is False
    last = tree.layout.pp - 1
    bias = any("query_key_value.bias" in name or "linear_qkv.bias" in name for name in tree.names(0, 0))
    model = model_of_args(tree.args, has_qkv_bias=bias)
    head = ("language_model/output_layer/weight", "/output_layer.weight")
    if "untie_embeddings_and_output_weights" not in tree.args:
        tied = last == 0 and not any(name.endswith(head) for name in tree.names(0, last))
    model = model._replace(tie_embeddings=tied)
    found = manifest.read(os.path.join(tree.root, MANIFEST)) or {}
    described = found.get("model")
    if isinstance(described, dict):
        known = {name: described[name] for name in Model._fields if name in described}
        same = all(known.get(name) == getattr(model, name) for name in ("layers", "hidden", "heads", "ffn"))
        if same:
            keep = ("family", "rope_theta", "rotary_percent", "rope_ratio", "vocab")
            model = model._replace(**{name: known[name] for name in keep if name in known})
    return model


def _target(job: ConversionJob, tree: MegatronTree, model: Model, parts: TreeParts) -> Target:
    layout = make_layout(
        model.layers,
        job.tensor_parallel,
        job.pipeline_parallel,
        job.layers_per_stage,
        job.layers_per_virtual_stage,
    )
    check_division(model, layout.tp)
    padded = pad_vocabulary(model.vocab, layout.tp, job.make_vocab_size_divisible_by, job.padded_vocab_size)
    stored = [dtype for dtype in tree.dtypes() if dtype in HF_NAMES]
    dtype = job.dtype or max(stored, key=lambda one: ITEM_BYTES[one], default=FP32)
    return Target(model, layout, job.format or tree.format, dtype, padded, job.make_vocab_size_divisible_by)


def _notes(tree: MegatronTree, target: Target, tell: Tell) -> List[str]:
    notes = []
    if any(name.startswith("optimizer") for name in tree.content(0, 0)):
        notes.append(_("the optimizer of the checkpoint is left behind: only weights are cut anew"))
    stored = tree.dtypes()
    if any(dtype != target.dtype for dtype in stored):
        text = _("the checkpoint is {stored} and is written as {wanted}")
        names = ", ".join(HF_NAMES.get(dtype, dtype) for dtype in stored)
        notes.append(text.format(stored=names, wanted=HF_NAMES[target.dtype]))
    for note in notes:
        say(tell, note)
    return notes


class _Recutter:
    """Makes the tensors of new ranks from the pieces of the old ones."""

    def __init__(self, parts: TreeParts, target: Target, tally: Tally) -> None:
        self._parts = parts
        self._target = target
        self._tally = tally
        self._same_cut = (
            parts.tree.layout.tp == target.layout.tp and parts.padded_vocab == target.padded_vocab
        )

    def producer(self, rank: Rank, plan: RankPlan) -> Produce:
        target, parts = self._target, self._parts
        used: List[PartKey] = []

        def produce(key: str) -> Array:
            entry = plan.entries[key]
            wanted = PartKey(entry.part, entry.layer)
            if used and used[0] != wanted:
                parts.release(*used[0])
            used[:] = [wanted]
            array = self._cut(entry.part, entry.layer, rank[0])
            new = new_rows(target, entry.part, rank)
            array = settle(array, target.dtype, key, self._tally, refuse_overflow=True, new_rows=new)
            self._tally.add(array.data.nbytes)
            return array

        return produce

    def _cut(self, part: str, layer: Optional[int], tp_rank: int) -> Array:
        if self._same_cut:
            return self._parts.piece(part, layer, tp_rank)
        pieces = self._parts.pieces(part, layer)
        cut = mapping.PARTS[part].cut
        sources = whole(cut, [one.data for one in pieces], self._parts.place)
        model, layout = self._parts.model, self._target.layout
        place = place_of(model, layout.tp, self._target.padded_vocab, tp_rank)
        return Array(piece(cut, sources, place), pieces[0].dtype)
