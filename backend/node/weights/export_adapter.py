"""A LoRA adapter of a Megatron tree as an adapter of PEFT, for the Hugging Face model it was trained on."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import Any, Dict, List, Tuple

from backend.node import durable
from backend.node.job_lines import JobError
from backend.node.weights import weights_manifest
from backend.node.weights.arrays import Array, Planned
from backend.node.weights.casting import cast
from backend.node.weights.conversion_job import ConversionJob, read_conversion_job
from backend.node.weights.families import mapping
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.layout import check_division, pad_vocabulary
from backend.node.weights.lora import DOWN, UP, module_of
from backend.node.weights.lora_settings import LORA, LoraSettings, agreed_settings, lora_settings
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import Model
from backend.node.weights.model_config import read_model
from backend.node.weights.output_folder import new_folder, storage_error
from backend.node.weights.peft_adapter import Module, config_of, modules_of, shape_of, target_names
from backend.node.weights.peft_files import PEFT_CONFIG, PEFT_WEIGHTS
from backend.node.weights.progress import Outcome, Progress, Tell, print_lines, say_all
from backend.node.weights.rank_copies import notes_on_halves
from backend.node.weights.tally import Tally
from backend.node.weights.tensor_cuts import place_of, source
from backend.node.weights.tree_agreement import check_heads
from backend.node.weights.tree_plan import plan_rank

__all__ = ["Outcome", "Progress", "run"]

_LIKE = "like_directory"


def run(job: Dict[str, Any], tell: Tell = print_lines) -> Outcome:
    """Needs lora_directory (the adapter's tree), like_directory (the model's folder: its config.json) and
    output_directory; `dtype` None keeps the adapter's. `lora_r`, `lora_alpha`, `lora_target_modules` are
    compared with the adapter where they are given.

    Raises JobError; then the output directory is as it was before."""
    wanted = read_conversion_job(job, (LORA, _LIKE, "output_directory"))
    try:
        return _run(wanted, tell)
    except OSError as error:
        raise storage_error(error, wanted.output_directory) from error


def _run(job: ConversionJob, tell: Tell) -> Outcome:
    tree = MegatronTree(job.lora_directory, LORA)
    like = HfFolder(job.like_directory, weights=False, field=_LIKE)
    sources = weights_manifest.made_from(job, "export-adapter", tree.files + like.files)
    current = None if job.dry_run else weights_manifest.up_to_date(job.output_directory, sources, tell, True)
    if current is not None:
        return current
    if not tree.is_adapter:
        what = _("{path} holds no LoRA adapter").format(path=tree.root)
        raise JobError(LORA, what, _("no tensor in it is named lora_A"))
    settings = agreed_settings(lora_settings(job._asdict()) or LoraSettings(job.lora_directory), tree)
    model = read_model(like.config, _LIKE)
    adapter = _Adapter(tree, model, int(settings.rank or 0))
    dtype = job.dtype or tree.dtypes()[0]
    planned = adapter.planned(dtype)
    nbytes = sum(one.nbytes for one in planned)
    targets = target_names(model, adapter.parts)
    config = config_of(int(settings.rank or 0), float(settings.alpha or 0), targets, job.like_directory)
    details: Dict[str, Any] = {"kind": "peft", "dtype": dtype, "lora": config}
    obstacle = weights_manifest.check_output(job, sources, nbytes)
    notes = say_all(tell, notes_on_halves(tree))
    if job.dry_run:
        files = [{"path": PEFT_WEIGHTS[0], "tensors": len(planned), "bytes": nbytes}]
        return Outcome(False, weights_manifest.dry(details, files, nbytes, notes, obstacle))
    with new_folder(job.output_directory, job.overwrite) as folder:
        tally = Tally(nbytes, tell)
        paths = _write(folder, planned, adapter, dtype, tally, config)
        details["notes"] = notes + tally.say_notes()
        counts = {**tally.counts(), "seconds": round(tally.seconds, 3)}
        return Outcome(False, weights_manifest.write(folder, sources, counts, paths, details))


def _write(
    folder: str, planned: List[Planned], adapter: _Adapter, dtype: str, tally: Tally, config: Dict[str, Any]
) -> List[str]:
    from backend.node.weights.safetensors_writer import write_safetensors

    def produce(name: str) -> Array:
        done = cast(adapter.get(name), dtype)
        tally.add_cast(done.lost, done.overflowed)
        tally.look_at(name, done.array)
        tally.add(done.array.data.nbytes)
        return done.array

    paths = [os.path.join(folder, name) for name in (PEFT_CONFIG, PEFT_WEIGHTS[0])]
    write_safetensors(paths[1], planned, produce, {"format": "pt"})
    durable.write_whole(paths[0], json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    durable.sync_directory(folder)
    return paths


class _Adapter:
    """The tensors of PEFT from the pieces of all ranks. `parts`: those that the adapter changes."""

    def __init__(self, tree: MegatronTree, model: Model, rank: int) -> None:
        self._tree = tree
        self._model = model
        self._rank = rank
        check_division(model, tree.layout.tp)
        if sum(tree.layout.layers_per_stage) != model.layers:
            what = _("the adapter has {found} layers and the model {wanted}").format(
                found=sum(tree.layout.layers_per_stage), wanted=model.layers
            )
            raise JobError(LORA, what, "", _("give the folder of the model it was trained on"))
        check_heads(tree, model)
        self._of = self._modules()
        self._modules_by_name: Dict[str, Tuple[Module, bool]] = {}
        for module in modules_of(model):
            if (module.part, module.layer) in self._of:
                self._modules_by_name[module.down] = module, True
                self._modules_by_name[module.up] = module, False
        self.parts = {part for part, _layer in self._of}
        self._check()

    def planned(self, dtype: str) -> List[Planned]:
        found = []
        for name, (module, is_down) in self._modules_by_name.items():
            out, width = shape_of(self._model, module)
            found.append(Planned(name, (self._rank, width) if is_down else (out, self._rank), dtype))
        return found

    def get(self, name: str) -> Array:
        """A module of the model has the adapter's lower half in common with the others of its part."""
        module, is_down = self._modules_by_name[name]
        cut = mapping.PARTS[module.part].cut
        pieces = self._pieces(module.part, module.layer, DOWN if is_down else UP)
        if (cut == mapping.COLUMNS) is not is_down:
            return pieces[0]
        place = place_of(self._model, self._tree.layout.tp, 0)
        count = len(self._model.part(module.part).sources)
        joined = source(cut, [piece.data for piece in pieces], place, module.number, count)
        return Array(joined, pieces[0].dtype)

    def _pieces(self, part: str, layer: int, half: str) -> List[Array]:
        pp_rank, name = self._of[part, layer]
        return [self._tree.rank(rank, pp_rank).get(name + half) for rank in range(self._tree.layout.tp)]

    def _modules(self) -> Dict[Tuple[str, int], Tuple[int, str]]:
        """(part, layer) to the pipeline rank and the path of the module in its files."""
        tree, model = self._tree, self._model
        padded = pad_vocabulary(model.vocab, tree.layout.tp)
        found: Dict[Tuple[str, int], Tuple[int, str]] = {}
        for pp_rank in range(tree.layout.pp):
            present = set(tree.names(0, pp_rank))
            plan = plan_rank(model, tree.layout, tree.format, "bf16", padded, 0, pp_rank)
            for key, entry in plan.entries.items():
                if entry.layer is not None and module_of(key) + DOWN in present:
                    found[entry.part, entry.layer] = pp_rank, module_of(key)
        return found

    def _check(self) -> None:
        """Every rank has both halves, in the shape of its share."""
        tp = self._tree.layout.tp
        for (part, _layer), (pp_rank, module) in self._of.items():
            cut, words = mapping.PARTS[part]
            out, width = (self._model.size(word) for word in words)
            columns = cut == mapping.COLUMNS
            for half, shape in (
                (DOWN, (self._rank, width // tp if columns else width)),
                (UP, (out if columns else out // tp, self._rank)),
            ):
                for tp_rank in range(tp):
                    found = self._tree.rank(tp_rank, pp_rank).info(module + half).shape
                    if tuple(found) != shape:
                        what = _("{name} has the shape {found}, not {expected}").format(
                            name=module + half, found=list(found), expected=list(shape)
                        )
                        raise JobError(LORA, what, _("it was trained on another model"))
