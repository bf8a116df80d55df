"""The model of one rank, cut from the Hugging Face tensors: what goes into its file under `model`."""

from __future__ import annotations

from collections import OrderedDict
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List

from backend.node.job_lines import JobError
from backend.node.weights.cuts import CUTS, Place
from backend.node.weights.families.mapping import Part
from backend.node.weights.hf_source import HfSource
from backend.node.weights.tree_formats import FORMATS
from backend.node.weights.weights_job import WeightsJob

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class RankModel:
    """Builds the model of the rank (`tp_rank`, `pp_rank`); tensors of `dtype`, one rank in memory at a
    time."""

    def __init__(
        self, job: WeightsJob, source: HfSource, dtype: torch.dtype, tp_rank: int, pp_rank: int
    ) -> None:
        model = job.architecture
        self._job = job
        self._source = source
        self._dtype = dtype
        self._format = FORMATS[job.format]
        self._pp_rank = pp_rank
        self._place = Place(tp_rank, job.tensor_parallel, model.kv_heads, model.head_dim, job.padded_vocab)
        self._flat: Dict[str, Any] = {}

    def build(self) -> Dict[str, Any]:
        """The (nested) dict of tensors. Raises JobError when a value does not fit into the dtype."""
        job = self._job
        last = job.pipeline_parallel - 1
        if self._pp_rank == 0:
            self._put(job.family.embedding, self._format.names["embedding"])
        first_layer = sum(job.layers_per_stage[: self._pp_rank])
        for local in range(job.layers_per_stage[self._pp_rank]):
            for part in job.layer_parts():
                self._put(part, self._format.names[part.name].format(layer=local), first_layer + local)
                self._put_state(part.name, local)
        if self._pp_rank == last:
            self._put(job.family.final_norm, self._format.names["final_norm"])
            self._put_head()
        return _nested(self._flat)

    def _put_head(self) -> None:
        if not self._job.architecture.tie_embeddings:
            self._put(self._job.family.head, self._format.names["head"])
            self._put_state("head")
            return
        # On one stage the head is the embedding itself; on several the last one holds a copy.
        if self._job.pipeline_parallel > 1:
            self._put(self._job.family.embedding, self._format.tied_head)
        if self._format.tied_head_state:
            self._put_state("head")

    def _put(self, part: Part, key: str, layer: int = 0) -> None:
        sources = [self._source.get(source.name.format(layer=layer)) for source in part.sources]
        piece = CUTS[part.cut](sources, self._place)
        self._flat[key] = self._cast(piece, part.sources[0].name.format(layer=layer))

    def _put_state(self, part: str, layer: int = 0) -> None:
        if part in self._format.states:
            self._flat[self._format.states[part].format(layer=layer)] = None

    def _cast(self, piece: Tensor, name: str) -> Tensor:
        import torch

        cast = piece.to(self._dtype)
        narrowed = torch.finfo(self._dtype).max < torch.finfo(piece.dtype).max
        if narrowed and bool((torch.isinf(cast) & torch.isfinite(piece)).any()):
            what = _("{name} has values that are too large for {dtype}").format(name=name, dtype=self._dtype)
            raise JobError("dtype", what, _("they would become infinite"), _("choose bf16 or fp32"))
        return cast


def _nested(flat: Dict[str, Any]) -> Dict[str, Any]:
    """`a/b/c` becomes dicts in dicts."""
    nested: Dict[str, Any] = OrderedDict()
    for path, value in flat.items():
        levels: List[str] = path.split("/")
        inner = nested
        for level in levels[:-1]:
            inner = inner.setdefault(level, OrderedDict())
        inner[levels[-1]] = value
    return nested
