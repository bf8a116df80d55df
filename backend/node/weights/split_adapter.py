"""An adapter of PEFT cut over the ranks of a Megatron tree, to be merged or trained further there."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Dict, Optional

from backend.node.weights import weights_manifest
from backend.node.weights.arrays import Array, Planned
from backend.node.weights.casting import cast
from backend.node.weights.conversion_job import ConversionJob, read_conversion_job
from backend.node.weights.families import mapping
from backend.node.weights.families.all_families import default_format
from backend.node.weights.fused_adapter import FusedAdapter
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.layout import Layout, make_layout, pad_vocabulary
from backend.node.weights.lora import DOWN, UP, module_of
from backend.node.weights.lora_settings import LORA
from backend.node.weights.model import Model
from backend.node.weights.model_config import read_model
from backend.node.weights.output_folder import new_folder, storage_error
from backend.node.weights.peft_adapter import PeftAdapter
from backend.node.weights.progress import Outcome, Progress, Tell, print_lines, say_all
from backend.node.weights.rank_writer import Rank, held_per_byte, write_ranks
from backend.node.weights.tally import Tally
from backend.node.weights.tensor_cuts import piece, place_of
from backend.node.weights.tensor_source import Produce
from backend.node.weights.tree_args import tree_args
from backend.node.weights.tree_plan import Entry, RankPlan, plan_rank
from backend.node.weights.tree_target import describe_ranks

__all__ = ["Outcome", "Progress", "run"]

_LIKE = "like_directory"
_STATE = "_extra_state"


def run(job: Dict[str, Any], tell: Tell = print_lines) -> Outcome:
    """Needs lora_directory (of PEFT), like_directory (the model's folder: its config.json), output_directory,
    tensor_parallel and pipeline_parallel; takes layers_per_stage, layers_per_virtual_stage, format and dtype
    (None: the adapter's own).

    Raises JobError; then the output directory is as it was before."""
    wanted = read_conversion_job(
        job, (LORA, _LIKE, "output_directory", "tensor_parallel", "pipeline_parallel")
    )
    try:
        return _run(wanted, tell)
    except OSError as error:
        raise storage_error(error, wanted.output_directory) from error


def _run(job: ConversionJob, tell: Tell) -> Outcome:
    like = HfFolder(job.like_directory, weights=False, field=_LIKE)
    model = read_model(like.config, _LIKE)
    adapter = PeftAdapter(job.lora_directory, model)
    sources = weights_manifest.made_from(job, "split-adapter", adapter.files + like.files)
    current = None if job.dry_run else weights_manifest.up_to_date(job.output_directory, sources, tell, True)
    if current is not None:
        return current
    layout = make_layout(
        model.layers,
        job.tensor_parallel,
        job.pipeline_parallel,
        job.layers_per_stage,
        job.layers_per_virtual_stage,
    )
    fused = FusedAdapter(adapter, model)
    dtype = job.dtype or fused.dtype
    tree_format = job.format or default_format(model.family)
    padded = pad_vocabulary(model.vocab, layout.tp)
    plans = {
        (tp_rank, pp_rank): _plan(
            plan_rank(model, layout, tree_format, dtype, padded, tp_rank, pp_rank), fused, layout.tp, dtype
        )
        for pp_rank in range(layout.pp)
        for tp_rank in range(layout.tp)
    }
    nbytes = sum(plan.nbytes for plan in plans.values())
    lora = _lora_args(fused, plans)
    details = weights_manifest.describe(model, tree_format, dtype, layout, padded)
    details["lora"] = {
        "r": lora["lora_r"],
        "lora_alpha": lora["lora_alpha"],
        "target_modules": lora["lora_target_modules"],
    }
    notes = say_all(tell, fused.notes())
    obstacle = weights_manifest.check_output(job, sources, nbytes)
    if job.dry_run:
        return Outcome(False, weights_manifest.dry(details, describe_ranks(plans), nbytes, notes, obstacle))
    with new_folder(job.output_directory, job.overwrite) as folder:
        tally = Tally(nbytes, tell)
        args = tree_args(
            model, layout, tree_format, dtype, padded, 1, job.lora_directory, job.output_directory
        )
        args.update(lora)
        producer = _Cutter(fused, model, layout, dtype, tally).producer
        # A half is made whole, cut and cast; all of them are small.
        held = held_per_byte([fused.dtype], dtype) + layout.tp
        paths = write_ranks(folder, plans, args, producer, tally, held, job.memory_bytes)
        details["notes"] = notes + tally.say_notes()
        counts = {"rank_files": len(paths), **tally.counts(), "seconds": round(tally.seconds, 3)}
        return Outcome(False, weights_manifest.write(folder, sources, counts, paths, details))


def _plan(plan: RankPlan, fused: FusedAdapter, tp: int, dtype: str) -> RankPlan:
    """The adapter's own tensors in place of the model's."""
    content: Dict[str, Any] = {}
    entries: Dict[str, Entry] = {}
    nbytes = 0
    for key, entry in plan.entries.items():
        if entry.part not in fused.parts:
            continue
        cut, words = mapping.PARTS[entry.part]
        out, width = (fused.model.size(word) for word in words)
        columns = cut == mapping.COLUMNS
        shapes = {
            DOWN: (fused.rank, width // tp if columns else width),
            UP: (out if columns else out // tp, fused.rank),
        }
        for half, shape in shapes.items():
            planned = Planned(module_of(key) + half, shape, dtype)
            _set(content, planned.key, planned)
            entries[planned.key] = entry
            nbytes += planned.nbytes
            # Megatron keeps a state beside the half that it cuts.
            if columns is (half == DOWN):
                _set(content, planned.key[: -len("weight")] + _STATE, None)
    for top in plan.content:
        content.setdefault(top, OrderedDict())
    return RankPlan(content, entries, nbytes)


def _set(content: Dict[str, Any], path: str, value: Optional[Planned]) -> None:
    levels = path.split("/")
    for level in levels[:-1]:
        content = content.setdefault(level, OrderedDict())
    content[levels[-1]] = value


def _lora_args(fused: FusedAdapter, plans: Dict[Rank, RankPlan]) -> Dict[str, Any]:
    keys = next(iter(plans.values())).entries
    names = {key[: -len(DOWN)].rpartition(".")[2] for key in keys if key.endswith(DOWN)}
    alpha = int(fused.alpha) if float(fused.alpha).is_integer() else fused.alpha
    return {
        "lora_target_modules": sorted(names),
        "lora_load": None,
        "lora_r": fused.rank,
        "lora_alpha": alpha,
        "lora_modules_to_save": None,
    }


class _Cutter:
    def __init__(self, fused: FusedAdapter, model: Model, layout: Layout, dtype: str, tally: Tally) -> None:
        self._fused = fused
        self._model = model
        self._layout = layout
        self._dtype = dtype
        self._tally = tally

    def producer(self, rank: Rank, plan: RankPlan) -> Produce:
        def produce(key: str) -> Array:
            entry = plan.entries[key]
            done = cast(self._cut(entry, key.endswith(DOWN), rank[0]), self._dtype)
            self._tally.add_cast(done.lost, done.overflowed)
            self._tally.look_at(key, done.array)
            self._tally.add(done.array.data.nbytes)
            return done.array

        return produce

    def _cut(self, entry: Entry, is_down: bool, tp_rank: int) -> Array:
        layer = entry.layer or 0
        cut = mapping.PARTS[entry.part].cut
        halves = [self._fused.down(entry.part, layer)] if is_down else self._fused.ups(entry.part, layer)
        if (cut == mapping.COLUMNS) is not is_down:
            return halves[0]
        place = place_of(self._model, self._layout.tp, 0, tp_rank)
        return Array(piece(cut, [half.data for half in halves], place), self._fused.dtype)
