"""One rank's weights out of a Megatron tree of either format, read when they are asked for."""

from __future__ import annotations

import re
from gettext import gettext as _
from typing import Any, Callable, Dict, Iterator, Mapping

import torch
from torch import Tensor

from backend.node.job_lines import JobError
from backend.node.train.grid import Grid
from backend.node.train.train_job import TrainJob
from backend.node.weights.arrays import BF16
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.pt_file import PtFile
from backend.node.weights.shards import rank_directory_name
from backend.node.weights.tree_folder import find_tree
from backend.node.weights.tree_formats import FORMATS, format_of

FIELD = "load_directory"
_TOP = "model/"
_EXTRA_STATE = "_extra_state"
_LAYER = re.compile(r"(.*layers\.)(\d+)(\..*)")
_PLAIN = (type(None), bool, int, float, str)


def _other_layout(field: str) -> str:
    if field == FIELD:
        return _("reshard it for this layout, or take that layout")
    # a run's own checkpoints: their moments belong to the layout
    return _("take that layout, or begin a new run in another directory, from this one's weights")


def check_tree(directory: str, job: TrainJob, field: str = FIELD) -> None:
    """See that the newest checkpoint in `directory` is whole and cut for the job's layout.

    Opens every rank's file, and reads no tensor. Raises JobError."""
    tree = MegatronTree(directory, field)
    layout = tree.layout
    if (layout.tp, layout.pp) != (job.tensor_parallel, job.pipeline_parallel):
        what = _("{directory} was made for TP {tp}, PP {pp}").format(
            directory=directory, tp=layout.tp, pp=layout.pp
        )
        why = _("this run has TP {tp}, PP {pp}").format(tp=job.tensor_parallel, pp=job.pipeline_parallel)
        raise JobError(field, what, why, _other_layout(field))
    if layout.layers_per_virtual_stage is not None:
        what = _("{directory} is cut for an interleaved pipeline").format(directory=directory)
        raise JobError(field, what, _("the native engine has none"), _("reshard it without virtual stages"))
    if layout.layers_per_stage != job.layers_per_stage:
        what = _("{directory} has {found} layers on its stages").format(
            directory=directory, found="+".join(map(str, layout.layers_per_stage))
        )
        why = _("this run has {wanted}").format(wanted="+".join(map(str, job.layers_per_stage)))
        raise JobError(field, what, why, _other_layout(field))


class TreeWeights(Mapping[str, Tensor]):
    """A rank's tensors by their mcore names, without extra states; `args`: the tree's, builtin values only.

    Each access reads the file anew, so that no more than one tensor is in memory. Raises JobError when the
    file is missing or damaged and, on access, when a tensor holds values that are not finite."""

    def __init__(self, directory: str, grid: Grid) -> None:
        folder = find_tree(directory, FIELD)
        place = (grid.tp_rank, grid.pp_rank)
        path = folder.ranks.get(place)
        if path is None:
            name = rank_directory_name(*place, grid.pp)
            what = _("there is no {name} in {directory}").format(name=name, directory=folder.directory)
            raise JobError(FIELD, what, _("the checkpoint is not whole on this node"))
        self._file = PtFile(path, FIELD)
        self.args: Dict[str, Any] = plain_values(dict(self._file.content.get("args") or {}))
        names = [name for name in self._file.names() if name.startswith(_TOP)]
        found = format_of(names) or "mcore"
        translate = _mcore_names(found)
        self._paths = {
            translate(name[len(_TOP) :]): name for name in names if not name.endswith(_EXTRA_STATE)
        }

    def __getitem__(self, name: str) -> Tensor:
        array = self._file.get(self._paths[name])
        tensor = torch.from_numpy(array.data)
        if array.dtype == BF16:
            tensor = tensor.view(torch.bfloat16)
        if not bool(torch.isfinite(tensor).all()):
            what = _("the tensor {name} in {path} has values that are not finite")
            raise JobError(
                FIELD,
                what.format(name=self._paths[name], path=self._file.path),
                _("every loss would be NaN"),
                _("convert the weights again, or take an earlier checkpoint"),
            )
        return tensor

    def __contains__(self, name: object) -> bool:
        # The inherited one makes the tensor.
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def plain_values(args: Mapping[str, Any]) -> Dict[str, Any]:
    """The entries that are builtin values, or lists or tuples of them: those that any loader can read."""
    return {name: value for name, value in args.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    # Exactly: a named tuple stands for an object that is not builtin.
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN


def _mcore_names(tree_format: str) -> Callable[[str], str]:
    """A function from a name of a rank's tensor in this format to its mcore name; others stay as they are."""
    own, mcore = FORMATS[tree_format], FORMATS["mcore"]
    templates = {template: mcore.names[part] for part, template in own.names.items()}
    templates[own.tied_head] = mcore.tied_head

    def translate(name: str) -> str:
        layer = _LAYER.fullmatch(name)
        if layer is None:
            return templates.get(name, name)
        template = templates.get(layer[1] + "{layer}" + layer[3])
        return name if template is None else template.format(layer=layer[2])

    return translate
