"""A Megatron checkpoint tree, read: its format, layout and arguments, and the tensors of each rank."""

from __future__ import annotations

import re
from gettext import gettext as _
from typing import Any, Dict, Iterator, List, Optional, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.layout import Layout
from backend.node.weights.pt_file import PtFile
from backend.node.weights.tensor_source import TensorSource, nbytes_of
from backend.node.weights.tree_folder import TreeFolder, check_ranks, find_tree, rank_files

FIELD = "megatron_directory"
_CHUNK = re.compile(r"model(\d*)/")
_LAYER = re.compile(r"(?:decoder\.|language_model/encoder/)layers\.(\d+)\.")
_LORA = (".lora_A.", ".lora_B.")


class MegatronTree:
    """`args`: the arguments that the first rank's file carries. `layout`: stages as the files hold them.

    Opening reads names and shapes of all ranks and no tensor. Raises JobError for a tree that is not whole or
    holds ranks of several layouts; `field` is the job's key of the folder."""

    def __init__(self, root: str, field: str = FIELD) -> None:
        self.field = field
        self.folder: TreeFolder = find_tree(root, field)
        self._files: Dict[Tuple[int, int], PtFile] = {}
        first = self._open(min(self.folder.ranks))
        self.args: Dict[str, Any] = dict(first.content.get("args") or {})
        tp = self._said("tensor_model_parallel_size", self.folder.tp)
        pp = self._said("pipeline_model_parallel_size", self.folder.pp)
        check_ranks(self.folder, tp, pp, field)
        for rank in self.folder.ranks:
            self._open(rank)
        self.format = self._find_format()
        self.layout = self._find_layout(tp, pp)

    @property
    def root(self) -> str:
        return self.folder.root

    @property
    def iteration(self) -> Optional[int]:
        return self.folder.iteration

    @property
    def files(self) -> List[str]:
        """All files that matter, for the fingerprints."""
        return [self.folder.tracker, *rank_files(self.folder)]

    def rank(self, tp_rank: int, pp_rank: int) -> TensorSource:
        """The tensors of a rank; its names are paths that begin with "model/", or "model0/" and so on."""
        return self._files[tp_rank, pp_rank]

    def content(self, tp_rank: int, pp_rank: int) -> Dict[str, Any]:
        """What the rank's file holds beside tensors."""
        found: Dict[str, Any] = self._files[tp_rank, pp_rank].content
        return found

    def names(self, tp_rank: int, pp_rank: int) -> Iterator[str]:
        """Names of the model's tensors in a rank's file: not those of an optimizer beside it."""
        return (name for name in self.rank(tp_rank, pp_rank).names() if _CHUNK.match(name))

    def notes(self) -> List[str]:
        """Sentences about what was seen while tensors were read."""
        return []

    @property
    def is_adapter(self) -> bool:
        """Whether it holds a LoRA adapter, alone or with the model around it."""
        return any(mark in name for rank in self.folder.ranks for name in self.names(*rank) for mark in _LORA)

    def largest_rank_bytes(self) -> int:
        """Of the tensors of a model in one rank's file."""
        return max(
            sum(nbytes_of(self.rank(*rank).info(name)) for name in self.names(*rank))
            for rank in self.folder.ranks
        )

    def dtypes(self) -> List[str]:
        """Keys of arrays.STORAGE, the one of most values first."""
        values: Dict[str, int] = {}
        for pp_rank in range(self.layout.pp):
            for name in self.names(0, pp_rank):
                info = self.rank(0, pp_rank).info(name)
                size = 1
                for length in info.shape:
                    size *= length
                values[info.dtype] = values.get(info.dtype, 0) + size
        return sorted(values, key=lambda dtype: -values[dtype])

    def _open(self, rank: Tuple[int, int]) -> PtFile:
        if rank not in self._files:
            try:
                self._files[rank] = PtFile(self.folder.ranks[rank], self.field)
            except FileNotFoundError as error:
                what = _("no such file: {path}").format(path=self.folder.ranks[rank])
                raise JobError(self.field, what, _("the checkpoint is not whole")) from error
        return self._files[rank]

    def _said(self, name: str, otherwise: int) -> int:
        value = self.args.get(name)
        return value if isinstance(value, int) and value > 0 else otherwise

    def _find_format(self) -> str:
        for name in self.names(*min(self.folder.ranks)):
            return (
                "legacy" if name.split("/")[1] in ("language_model", "word_embeddings_for_head") else "mcore"
            )
        what = _("{path} holds no model").format(path=self.folder.ranks[min(self.folder.ranks)])
        raise JobError(self.field, what, _("it has no entry named model"))

    def _find_layout(self, tp: int, pp: int) -> Layout:
        """Counted in the files: what a tree was told at its making may be missing from its arguments."""
        counts = [self._layer_counts(pp_rank) for pp_rank in range(pp)]
        per_stage = tuple(sum(chunks) for chunks in counts)
        sizes = {size for chunks in counts for size in chunks}
        virtual = None
        if any(len(chunks) > 1 for chunks in counts):
            if len(sizes) != 1 or len({len(chunks) for chunks in counts}) != 1:
                raise self._broken(_("its virtual stages are not of one size"))
            virtual = sizes.pop()
        said = self.args.get("num_layers")
        if isinstance(said, int) and said != sum(per_stage):
            text = _("its arguments say {said} layers, its files hold {found}")
            raise self._broken(text.format(said=said, found=sum(per_stage)))
        return Layout(tp, pp, per_stage, virtual)

    def _layer_counts(self, pp_rank: int) -> List[int]:
        """How many layers each model chunk of a stage has."""
        layers: Dict[int, set[int]] = {}
        for name in self.names(0, pp_rank):
            chunk = _CHUNK.match(name)
            number = layers.setdefault(int(chunk.group(1) or 0) if chunk else 0, set())
            layer = _LAYER.match(name, chunk.end() if chunk else 0)
            if layer is not None:
                number.add(int(layer.group(1)))
        for numbers in layers.values():
            if numbers != set(range(len(numbers))):
                gap = min(set(range(len(numbers))) - numbers)
                text = _("stage {stage} has no layer {layer}, but later ones")
                raise self._broken(text.format(stage=pp_rank, layer=gap))
        return [len(layers[chunk]) for chunk in sorted(layers)]

    def _broken(self, why: str) -> JobError:
        what = _("the checkpoint in {path} is not whole").format(path=self.folder.directory)
        return JobError(self.field, what, why)
